"""(e) Peak memory, and how it grows with the length of a clip, its resolution and the size of the corpus.

Each figure is of a process of its own, forked before any of the work: its peak less what it began with.
"""

import multiprocessing
import random
import resource
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceimit.data.clipfile import save_clip
from faceimit.data.corpus import Corpus
from faceimit.data.crop import CropBox, crop_face
from faceimit.data.video import read_frames, write_video
from faceimit.data.windows import Windows
from faceimit.face.records import Annotation, Clip
from faceimit.keyframes.weights import read_network
from faceimit.nets.keyframe import score_clip

MB = 2**20
SIZE, FRAMES = 64, 40  # of the clips of a corpus
WINDOWS = 30


def noise(frames: int, height: int, width: int) -> np.ndarray:
    """(T, H, W, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def scored(frames: int) -> None:
    """Scores of a whole clip that is in memory."""
    pictures = torch.from_numpy(noise(frames, 128, 128)).permute(0, 3, 1, 2)
    score_clip(read_network().net, pictures, 25.0)


def cropped(path: str) -> None:
    """A video decoded and cropped, nothing kept."""
    with read_frames(path) as reader:
        for frame in reader:
            height, width = frame.image.shape[:2]
            crop_face(frame.image, CropBox(width / 2, height / 2, min(height, width) / 2), 128)


def trained(path: str, clips: int) -> None:
    """Windows of a corpus of clip files, of which 20 MB are kept in memory."""
    corpus = Corpus([Path(path)] * clips, memory=20 * MB)
    windows = Windows(corpus, 0.4, 16, WINDOWS)
    random.seed(0)
    for number in range(WINDOWS):
        windows[number]


def cases(folder: Path, quick: bool) -> Iterator[tuple[str, float, Callable[..., None], tuple[Any, ...]]]:
    """What grows, how large it is (its own bytes in memory, MB), the job and its arguments."""
    for frames in (50, 100) if quick else (100, 200, 400):
        yield f"score a clip of {frames} frames", frames * 128**2 * 3 / MB, scored, (frames,)
    for width, height in ((320, 240), (640, 480)) if quick else ((320, 240), (640, 480), (1280, 720)):
        path = folder / f"{width}.mp4"
        write_video(path, noise(12, height, width), 25.0)
        yield f"decode and crop {width} x {height}", width * height * 3 / MB, cropped, (str(path),)
    path = folder / "clip.npz"
    moving = np.random.default_rng(0).random((FRAMES, 52), dtype=np.float32)
    annotation = Annotation(moving, np.zeros((FRAMES, 3), dtype=np.float32), np.ones(FRAMES, dtype=bool))
    save_clip(path, Clip("clip", "somebody", 25.0, noise(FRAMES, SIZE, SIZE), annotation))
    for clips in (20, 60) if quick else (100, 400, 1600):
        yield (
            f"windows of {clips} clips of {FRAMES} frames",
            clips * FRAMES * SIZE**2 * 3 / MB,
            trained,
            (str(path), clips),
        )


def rows(quick: bool) -> list[dict[str, Any]]:
    """A row for each case."""
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for what, own, job, arguments in cases(Path(folder), quick):
            queue = context.SimpleQueue()
            process = context.Process(target=measured, args=(queue, job, arguments))
            process.start()
            process.join()
            if process.exitcode:
                raise RuntimeError(f"{what} ended with {process.exitcode}")
            found.append({"table": "memory", "what": what, "pictures_mb": own, "peak_mb": queue.get()})
    return found


def measured(queue: Any, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Put the growth of this process, MB, into the queue."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here, not where the parent's was
    before = peak()
    job(*arguments)
    queue.put(peak() - before)


def peak() -> float:
    """Peak of the resident memory so far, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
