"""The streaming step in 8-bit integers, and what that costs in accuracy and saves in time, measured on rendered faces.

Static quantisation: activations of all convolutions and matrix products are calibrated on rendered streams. The state
between steps, warping and all that makes the crop ready stay as they are.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.bundle.format import CROP, NEXT, RATE, SCORES
from faceimit.bundle.golden import rendered
from faceimit.bundle.load import Bundle, open_session, zero_state
from faceimit.bundle.parity import GOLDEN_FPS, stream_scores
from faceimit.data.targets import BASE_FPS, change, score
from faceimit.face.records import Clip
from faceimit.keyframes.search import find_keyframes, true_keyframes
from faceimit.metrics.matching import Counts, count_hits

# Processors with and without 8-bit dot products round differently, and a stream adds these differences up.
QUANTISED_TOLERANCE = 0.05
FRAMES = 75
CALIBRATION, CHECK = range(10, 14), range(20, 26)  # numbers of rendered people
TRUTH_C_REF = 0.4  # where the network's own is unknown


def quantise_step(manifest: Mapping[str, Any], graph: bytes) -> tuple[bytes, dict[str, Any]]:
    """The step graph in int8, and for the manifest what that costs.

    Args:
        manifest: of the bundle so far.
        graph: ONNX of the step in float32.
    """
    size = manifest["keyframes"]["crop"]["size"]
    small = _quantise(graph, [rendered(number, FRAMES, size).frames for number in CALIBRATION])
    clips = [rendered(number, FRAMES, size) for number in CHECK]
    return small, compare(manifest, graph, small, clips)


def compare(manifest: Mapping[str, Any], graph: bytes, small: bytes, clips: list[Clip]) -> dict[str, Any]:
    """Scores, keyframes and time of both graphs on the same rendered clips, in plain types."""
    bundles = {"float32": Bundle(manifest, {"step": graph}), "int8": Bundle(manifest, {"step": small})}
    found = {name: [_timed(bundle, clip) for clip in clips] for name, bundle in bundles.items()}
    scores = {name: np.concatenate([values for values, _ in runs]) for name, runs in found.items()}
    result: dict[str, Any] = {"kind": "int8", "clips": len(clips), "frames": len(scores["int8"])}
    for name, bundle in bundles.items():
        hits = [_hits(bundle, clip, values) for clip, (values, _) in zip(clips, found[name], strict=True)]
        result[f"f1_{name}"] = round(sum(hits, Counts()).f1, 4)
        result[f"step_ms_{name}"] = round(1e3 * float(np.median([seconds for _, seconds in found[name]])), 2)
    difference = np.abs(scores["float32"] - scores["int8"])
    result["score_correlation"] = round(float(np.corrcoef(scores["float32"], scores["int8"])[0, 1]), 5)
    result |= {"score_mean_error": float(difference.mean()), "score_max_error": float(difference.max())}
    result |= {"bytes_float32": len(graph), "bytes_int8": len(small)}
    return result


def _quantise(graph: bytes, streams: list[np.ndarray]) -> bytes:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._feeds = _feeds(graph, streams)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._feeds, None)

    with tempfile.TemporaryDirectory() as folder:
        raw, ready, done = (Path(folder) / name for name in ("raw.onnx", "ready.onnx", "done.onnx"))
        raw.write_bytes(graph)
        quant_pre_process(raw, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            done,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
        return done.read_bytes()


def _feeds(graph: bytes, streams: list[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of the step on every third frame of the streams, with the state it has there."""
    session = open_session(graph, "step")
    rate = np.array([GOLDEN_FPS / BASE_FPS], dtype=np.float32)
    for crops in streams:
        state = zero_state(session)
        for i, crop in enumerate(crops):
            feed = {CROP: crop, RATE: rate, **state}
            if i % 3 == 1:
                yield feed
            outputs = session.run([SCORES, *(NEXT + name for name in state)], feed)
            state = dict(zip(state, outputs[1:], strict=True))


def _timed(bundle: Bundle, clip: Clip) -> tuple[np.ndarray, float]:
    """Scores (T,) and seconds of the processor a frame, which other work on the machine hardly changes."""
    began = time.thread_time()
    scores = stream_scores(bundle.score_stream(clip.fps), clip.frames)
    return scores, (time.thread_time() - began) / len(scores)


def _hits(bundle: Bundle, clip: Clip, scores: np.ndarray) -> Counts:
    known = bundle.manifest["keyframes"]["c_ref"] or TRUTH_C_REF
    target = score(change(clip.annotation.blendshapes, clip.annotation.pose, clip.fps), known)
    truth = true_keyframes(target, clip.fps)
    return count_hits(find_keyframes(scores, clip.fps, bundle.search), truth.strong, truth.weak)
