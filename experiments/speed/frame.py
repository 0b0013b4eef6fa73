"""(c) A frame from picture to score, beside MediaPipe's FaceLandmarker, whose blendshapes are differentiated."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from latency import CROP, graph
from stopwatch import Stopwatch, Times

from faceimit.bundle.format import CROP as CROP_INPUT
from faceimit.bundle.format import RATE
from faceimit.bundle.load import open_session
from faceimit.data.crop import crop_face
from faceimit.data.faces import FaceTracker, make_detector
from faceimit.data.targets import BASE_FPS, change
from faceimit.data.video import read_frames

STAGES = ("find and follow", "crop", "flow and score")
REACH = 7  # frames that the change of blendshapes is smoothed over


class Ours:
    """Face tracker, crop, and the streaming step of a bundle in ONNX Runtime."""

    def __init__(self, fps: float) -> None:
        self.detector = make_detector()
        self.tracker = FaceTracker(self.detector, fps)
        self.session = open_session(graph("score"), "score", 1)
        self.names = [tensor.name for tensor in self.session.get_inputs() if tensor.name not in (CROP_INPUT, RATE)]
        self.rate = np.array([fps / BASE_FPS], dtype=np.float32)
        self.stages = {name: Times() for name in STAGES}
        self.state, self.faces = self._blank(), 0

    def _blank(self) -> dict[str, np.ndarray]:
        kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
        given = {tensor.name: tensor for tensor in self.session.get_inputs()}
        return {name: np.zeros(given[name].shape, dtype=kinds[given[name].type]) for name in self.names}

    def __call__(self, image: np.ndarray, time_s: float) -> None:
        watch = Stopwatch()
        box = self.tracker.push(image)
        watch.read(self.stages[STAGES[0]])
        if box is None:
            return
        self.faces += 1
        crop = crop_face(image, box, CROP)
        watch.read(self.stages[STAGES[1]])
        _, *after = self.session.run(None, {CROP_INPUT: crop, RATE: self.rate, **self.state})
        self.state = dict(zip(self.names, after, strict=True))
        watch.read(self.stages[STAGES[2]])

    def close(self) -> None:
        """Let go of the detector."""
        self.detector.close()


class MediaPipe:
    """FaceLandmarker in video mode for one face, and the change of its blendshapes over the last frames."""

    def __init__(self, model: Path, fps: float) -> None:
        import mediapipe
        from mediapipe.tasks import python as tasks

        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)),
            running_mode=tasks.vision.RunningMode.VIDEO,
            output_face_blendshapes=True,
        )
        self.graph = tasks.vision.FaceLandmarker.create_from_options(options)
        self.image, self.rgb = mediapipe.Image, mediapipe.ImageFormat.SRGB
        self.fps, self.recent, self.faces = fps, deque(maxlen=REACH), 0

    def __call__(self, image: np.ndarray, time_s: float) -> None:
        found = self.graph.detect_for_video(self.image(image_format=self.rgb, data=image), round(1000 * time_s))
        if found.face_blendshapes:
            self.faces += 1
            self.recent.append([shape.score for shape in found.face_blendshapes[0][1:]])
            recent = np.asarray(self.recent, dtype=np.float32)
            change(recent, np.zeros((len(recent), 3), dtype=np.float32), self.fps)

    def close(self) -> None:
        """Let go of its threads."""
        self.graph.close()


def rows(video: Path, model: Path | None, frames: int, warm_up: int = 10) -> list[dict[str, Any]]:
    """Rows of the table: each stage of ours, the whole of ours and of MediaPipe's, frame by frame in turn."""
    with read_frames(video) as reader:
        fps = reader.info.fps
        pictures = [np.ascontiguousarray(frame.image) for frame, _ in zip(reader, range(frames), strict=False)]
    ways: dict[str, Callable[[np.ndarray, float], None]] = {"faceimit": Ours(fps)}
    if model is not None:
        ways["MediaPipe FaceLandmarker"] = MediaPipe(model, fps)
    times = {name: Times() for name in ways}
    for number, picture in enumerate(pictures):
        for name, way in ways.items():
            watch = Stopwatch()
            way(picture, number / fps)
            watch.read(times[name] if number >= warm_up else Times())
    ours = ways["faceimit"]
    assert isinstance(ours, Ours)
    size = f"{pictures[0].shape[1]} x {pictures[0].shape[0]}"
    found = {name: one.milliseconds() | percentiles(one) | {"faces": ways[name].faces} for name, one in times.items()}
    base = found["faceimit"]
    table = [{"what": name, **values} for name, values in found.items()]
    for stage in STAGES:
        ours.stages[stage].wall[:warm_up], ours.stages[stage].cpu[:warm_up] = [], []
        table.append(
            {"what": f"of it: {stage}", **ours.stages[stage].milliseconds(), **percentiles(ours.stages[stage])}
        )
    for way in ways.values():
        way.close()
    if model is None:
        table.append({"what": "MediaPipe FaceLandmarker", "note": "skipped: give its model with --model FILE.task"})
    return [
        {"table": "frame", "cpu_ratio": row["cpu_mean_ms"] / base["cpu_mean_ms"] if "cpu_ms" in row else "", **row}
        | {"pictures": len(pictures), "size": size}
        for row in table
    ]


def percentiles(times: Times) -> dict[str, float]:
    """Mean and 95th percentile of the processor's time, ms: a search of the whole picture is rare and dear."""
    return {"cpu_mean_ms": 1e3 * float(np.mean(times.cpu)), "cpu_p95_ms": 1e3 * float(np.percentile(times.cpu, 95))}
