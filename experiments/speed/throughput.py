"""(d) Frames a second of what feeds training: rendering, decoding, cropping, annotation."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from stopwatch import Stopwatch, Times

from faceimit.data.annotators.landmarker import Landmarker
from faceimit.data.synthetic.generate import render_clip
from faceimit.data.video import read_frames, write_video
from faceimit.data.videos import crop_video
from faceimit.face.records import Clip

FPS = 25.0


def jobs(folder: Path, model: Path | None, frames: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """What is done, and how: each call returns how many frames it did."""
    clip = render_clip(0, 17, frames=frames, size=256, clean=True)

    def rendered(size: int, flow: bool) -> Callable[[], int]:
        return lambda: len(render_clip(0, 18, frames=frames, size=size, flow=flow).frames)

    yield "render, 128 px", rendered(128, False)
    yield "render, 128 px, with exact flow", rendered(128, True)
    yield "render, 256 px", rendered(256, False)
    for width, height in ((256, 256), (640, 480), (1280, 720)):
        path = folder / f"{width}.mp4"
        write_video(path, framed(clip, width, height), FPS)
        yield f"decode, {width} x {height}", lambda path=path: decoded(path)
    yield "decode, find the face, crop, 640 x 480", lambda: len(crop_video(folder / "640.mp4", 128)[0])
    if model is not None:
        landmarker = Landmarker(model)
        yield "decode, annotate, 640 x 480", lambda: annotated(landmarker, folder / "640.mp4")
        landmarker.close()


def framed(clip: Clip, width: int, height: int) -> Iterator[np.ndarray]:
    """The face in the middle of a grey picture."""
    import cv2

    side = min(width, height) * 3 // 4
    for frame in clip.frames:
        picture = np.full((height, width, 3), 90, dtype=np.uint8)
        top, left = (height - side) // 2, (width - side) // 2
        picture[top : top + side, left : left + side] = cv2.resize(frame, (side, side))
        yield picture


def decoded(path: Path) -> int:
    """Frames of a video, looked at once."""
    with read_frames(path) as reader:
        return sum(1 for frame in reader if frame.image.size)


def annotated(landmarker: Landmarker, path: Path) -> int:
    """Frames given to MediaPipe, as ``faceimit-annotate`` does it."""
    landmarker.start()
    with read_frames(path) as reader:
        return sum(1 for frame in reader if landmarker.look(frame.image, frame.time_s) is not None)


def rows(model: Path | None, frames: int, rounds: int) -> list[dict[str, Any]]:
    """A row for each job; the best round counts, since the jobs are long and others only ever slow them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for what, job in jobs(Path(folder), model, frames):
            done, times = 0, Times()
            for _ in range(rounds):
                watch = Stopwatch()
                done = job()
                watch.read(times)
            found.append(
                {
                    "table": "throughput",
                    "what": what,
                    "per_cpu_s": done / min(times.cpu),
                    "per_wall_s": done / min(times.wall),
                }
            )
    if model is None:
        note = "skipped: give its model with --model FILE.task"
        found.append({"table": "throughput", "what": "decode, annotate, 640 x 480", "note": note})
    return found
