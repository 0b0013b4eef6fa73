"""A bundle on the robot: checked, loaded and proven in a few tenths of a second, with onnxruntime and without torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from faceimit.bundle.format import (
    AGAIN,
    CROP,
    GOLDEN,
    LANDMARKS,
    MAPPER,
    NEXT,
    RATE,
    SCORES,
    STEP,
    file_name,
    read_files,
    read_manifest,
    search_params,
)
from faceimit.bundle.parity import check_golden
from faceimit.bundle.stream import ScoreStream, State, checked_crop
from faceimit.errors import InputError

_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class Bundle:
    """Networks ready to run. One graph may be run from several threads.

    Args:
        manifest: of the bundle.
        graphs: ONNX content by name of the graph.
        threads: of the step; more than two hardly help at this size, and the other graphs take one.

    Attributes:
        manifest: as read, see :mod:`faceimit.bundle.format`.
        name: of the scores' method.
        search: the keyframe search that belongs to the scores.
        look_ahead: frames until a score is final.
        crop_size: side of the crops in pixels.
        robot: name of the profile it was exported for.
    """

    def __init__(self, manifest: Mapping[str, Any], graphs: Mapping[str, bytes], threads: int = 1) -> None:
        self.manifest = manifest
        keyframes = manifest["keyframes"]
        self.name: str = keyframes["name"]
        self.search = search_params(manifest)
        self.look_ahead: int = keyframes["look_ahead"]
        self.crop_size: int = keyframes["crop"]["size"]
        self.robot: str = manifest["robot"]
        # landmarks and controls are no quicker with two, and are read while another thread commands
        self._sessions = {
            name: open_session(content, name, threads if name == STEP else 1) for name, content in graphs.items()
        }
        self._zero = zero_state(self._sessions[STEP])

    @property
    def has_landmarks(self) -> bool:
        """Whether :meth:`landmarks` can be asked."""
        return LANDMARKS in self._sessions

    @property
    def has_controls(self) -> bool:
        """Whether :meth:`controls` can be asked."""
        return MAPPER in self._sessions

    def score_stream(self, fps: float = 25.0) -> ScoreStream:
        """Scores of a stream of crops; streams share the graph, not their state."""
        stream = ScoreStream(self.name, self.crop_size, self.search, self.look_ahead, self._step, self._zero)
        stream.start(fps)
        return stream

    def landmarks(self, crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (68, 2) in pixels of the crop and their confidence (68,) in [0, 1], of a crop (S, S, 3) uint8 RGB.

        Raises:
            InputError: the bundle has no landmarks, or that is no crop.
        """
        points, confidence = self._run(LANDMARKS, crop)
        return points, confidence

    def controls(self, crop: np.ndarray) -> np.ndarray:
        """Values (30,) float64 in table order and units, of a crop (S, S, 3) uint8 RGB.

        Raises:
            InputError: the bundle has no mapping network, or that is no crop.
        """
        return self._run(MAPPER, crop)[0].astype(np.float64)

    def _run(self, name: str, crop: np.ndarray) -> list[np.ndarray]:
        if name not in self._sessions:
            reason = self.manifest["left_out"].get(name, "it was not asked for")
            option = "--landmarks" if name == LANDMARKS else "--mapping"
            raise InputError(f"this bundle has no {name} graph ({reason}), export it with {option}")
        return self._sessions[name].run(None, {CROP: checked_crop(crop, self.crop_size)})

    def _step(self, crop: np.ndarray, rate: np.ndarray, state: Mapping[str, np.ndarray]) -> tuple[np.ndarray, State]:
        scores, *after = self._sessions[STEP].run(None, {CROP: crop, RATE: rate, **state})
        return scores, dict(zip(state, after, strict=True))


def load_bundle(path: str | Path, threads: int = 1) -> Bundle:
    """Read, check and prove a bundle.

    Args:
        path: folder written by ``faceimit-export``.
        threads: of the step, see :class:`Bundle`.

    Raises:
        InputError: not a bundle, of another version, incomplete, damaged, altered, or one that does not compute here
            what it computed when it was exported.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    contents = read_files(folder, manifest)
    bundle = Bundle(manifest, {name: contents[file_name(name)] for name in manifest["graphs"]}, threads)
    check_golden(bundle, contents[GOLDEN], {name: manifest["parity"][name]["tolerance"] for name in manifest["graphs"]})
    return bundle


def open_session(content: bytes, name: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph ready to run.

    Raises:
        InputError: it is no graph, or one this onnxruntime cannot run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # threads wait awake within a step, whose parts take less than waking up does, and asleep between steps, when the
    # processor is the other stages'; tiny numbers must not slow a step
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own kinds, which have no common parent
        raise InputError(f"the {name} graph cannot be run by onnxruntime {onnxruntime.__version__}, {AGAIN}") from error


def zero_state(session: onnxruntime.InferenceSession) -> State:
    """The state at the start, by the step graph's inputs, in their order.

    Raises:
        InputError: inputs and outputs are not those of a step.
    """
    inputs = {tensor.name: tensor for tensor in session.get_inputs()}
    names = [name for name in inputs if name not in (CROP, RATE)]
    outputs = [tensor.name for tensor in session.get_outputs()]
    if {CROP, RATE} - set(inputs) or outputs != [SCORES, *(NEXT + name for name in names)]:
        raise InputError(f"the {STEP} graph of the bundle has other inputs and outputs than a step has, {AGAIN}")
    return {name: np.zeros(inputs[name].shape, dtype=_DTYPES[inputs[name].type]) for name in names}
