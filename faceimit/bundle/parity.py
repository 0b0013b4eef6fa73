"""Proof that a bundle computes what the trained networks compute: golden crops and what torch said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from faceimit.bundle.format import AGAIN, LANDMARKS, MAPPER, STEP
from faceimit.bundle.stream import ScoreStream
from faceimit.errors import InputError
from faceimit.face.controls import SPAN

# Largest error allowed, and of what: scores; points as a share of the crop's side, confidences; controls as a share
# of their range.
TOLERANCES = {STEP: 1e-3, LANDMARKS: 1e-3, MAPPER: 1e-3}
GOLDEN_FPS = 30.0
PICTURES = 3  # golden crops, the first ones, of which landmarks and controls are kept


class Runnable(Protocol):
    """What golden values are compared with: a loaded bundle."""

    crop_size: int

    def score_stream(self, fps: float = 25.0) -> ScoreStream: ...
    def landmarks(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    def controls(self, crop: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Golden:
    """Golden inputs and outputs.

    Attributes:
        crops: (N, S, S, 3) uint8 RGB, a stream at `GOLDEN_FPS`.
        valid: (N,) bool, False: pushed as a frame without a face.
        outputs: by name: ``scores`` (N,), NaN where invalid; ``points`` (K, 68, 2), ``confidence`` (K, 68) and
            ``controls`` (K, 30) of the first K crops, where the bundle has such graphs. All float32.
    """

    crops: np.ndarray
    valid: np.ndarray
    outputs: Mapping[str, np.ndarray]


def pack_golden(golden: Golden) -> bytes:
    """As a safetensors file."""
    from safetensors.numpy import save

    tensors = {"crops": golden.crops, "valid": golden.valid, **golden.outputs}
    return save({name: np.ascontiguousarray(values) for name, values in tensors.items()})


def unpack_golden(content: bytes) -> Golden:
    """Inverse of :func:`pack_golden`.

    Raises:
        InputError: not such a file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        return Golden(tensors.pop("crops"), tensors.pop("valid"), tensors)
    except (SafetensorError, KeyError) as error:
        raise InputError(f"the golden values of the bundle cannot be read, {AGAIN}") from error


def check_golden(bundle: Runnable, content: bytes, tolerances: Mapping[str, float]) -> dict[str, float]:
    """Largest error of each graph on the golden crops.

    Args:
        bundle: to be proven.
        content: of the golden file.
        tolerances: by name of each graph the bundle has.

    Raises:
        InputError: an error beyond its tolerance.
    """
    golden = unpack_golden(content)
    try:
        errors = measure(bundle, golden, tolerances)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"the golden values do not fit the graphs of the bundle ({error}), {AGAIN}") from error
    refuse(errors, tolerances, "what it computed when it was exported")
    return errors


def measure(bundle: Runnable, golden: Golden, graphs: Sequence[str] | Mapping[str, Any]) -> dict[str, float]:
    """Largest error by graph, in the units of :data:`TOLERANCES`; infinite where a value is not finite."""
    expected, found = golden.outputs, {STEP: 0.0}
    scores = stream_scores(bundle.score_stream(GOLDEN_FPS), golden.crops, golden.valid)
    found[STEP] = _largest(scores[golden.valid] - expected["scores"][golden.valid])
    if LANDMARKS in graphs:
        points, sure = zip(*(bundle.landmarks(crop) for crop in golden.crops[:PICTURES]), strict=True)
        shares = (np.stack(points) - expected["points"]) / bundle.crop_size
        found[LANDMARKS] = max(_largest(shares), _largest(np.stack(sure) - expected["confidence"]))
    if MAPPER in graphs:
        values = np.stack([bundle.controls(crop) for crop in golden.crops[:PICTURES]])
        found[MAPPER] = _largest((values - expected["controls"]) / SPAN)
    return found


def stream_scores(stream: ScoreStream, crops: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Scores (T,) float32 of crops (T, S, S, 3) pushed one by one; invalid ones as None."""
    scores: list[float] = []
    for i, crop in enumerate(crops):
        scores += stream.push(crop if valid is None or valid[i] else None)
    return np.array(scores + stream.finish(), dtype=np.float32)


def refuse(errors: Mapping[str, float], tolerances: Mapping[str, float], what: str) -> None:
    """Refuse errors beyond their tolerances.

    Raises:
        InputError: naming graph, error and tolerance.
    """
    for name, error in errors.items():
        if not error <= tolerances[name]:
            raise InputError(
                f"the {name} graph is {error:.2g} away from {what}, where {tolerances[name]:.2g} is allowed: "
                "do not use it; export again, or with another version of onnxruntime"
            )


def _largest(difference: np.ndarray) -> float:
    largest = float(np.abs(difference).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")
