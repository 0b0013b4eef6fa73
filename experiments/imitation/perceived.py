"""The whole chain: what the shipped bundle reads off pictures of a performance."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from performances import PEOPLE, REAL, SEEDS, Performance, annotation, exact

from faceimit.bundle.load import Bundle
from faceimit.data.faces import make_detector
from faceimit.data.synthetic.generate import RENDERER_VERSION, render_clip
from faceimit.robot.profile import RobotProfile
from faceimit.runtime.perception import STAGES, Perception
from faceimit.runtime.readers import Reader, make_reader
from faceimit.runtime.sources import Picture, open_source
from faceimit.runtime.timing import Timer

FPS, SIZE = 60.0, 192


def chain(
    bundle: Bundle, people: int, seconds: float, robot: RobotProfile, controls: str, model: str | None
) -> Iterator[Performance]:
    """Rendered people at 60 and 30 fps (every second frame), and real ones, as the bundle perceives them.

    Args:
        bundle: of the shipped weights.
        people: rendered ones.
        seconds: of each.
        robot: that shows them.
        controls: how they are read (:data:`faceimit.runtime.readers.READERS`).
        model: of MediaPipe, for ``blendshapes``.
    """

    def reader() -> Reader:
        return make_reader(bundle, robot, controls, model)

    for seed in range(SEEDS["test"], SEEDS["test"] + people):
        pictures, shapes, pose = _film(seed, seconds)
        for step in (2, 1):
            fps = FPS / step
            known = exact(f"rendered_{seed}", "rendered", fps, shapes[::step], pose[::step], seed, robot)
            yield seen(known, pictures[::step], bundle, reader())
    for seed, name in enumerate(PEOPLE["test"]):
        path = REAL / "clips" / f"{name}.mp4"
        if path.is_file():
            shapes, pose, fps = annotation(REAL / "annotations" / f"{name}.npz")
            count = round(seconds * fps)
            known = exact(name, "real", fps, shapes[:count], pose[:count], seed, robot)
            yield seen(known, (image for _, image in open_source(str(path)).pictures()), bundle, reader())


def seen(known: Performance, pictures: Iterable[np.ndarray], bundle: Bundle, reader: Reader) -> Performance:
    """A performance with the controls and scores that are read off its pictures; the reader is closed."""
    detector = make_detector("dlib")
    perception = Perception(bundle, reader, detector, known.fps, Timer(*STAGES))
    controls, scores = np.full_like(known.truth, np.nan), np.full(len(known.truth), np.nan)
    found: dict[int, float] = {}
    for number, image in zip(range(len(known.truth)), pictures, strict=False):
        now = number / known.fps
        found |= dict(perception.judge(perception.see(Picture(number, now, image, now))).scores)
        values = perception.controls(number)
        controls[number] = np.nan if values is None else values
    found |= dict(perception.finish()[0])
    detector.close()
    reader.close()
    for number, value in found.items():
        scores[number] = value if np.isfinite(controls[number]).all() else np.nan
    return replace(known, seen=controls, scores=scores, look_ahead=bundle.look_ahead, search=bundle.search)


def _film(seed: int, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T, S, S, 3) pictures, (T, 52) blendshapes and (T, 3) pose of a rendered person; rendered once."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faceimit"
    path = base / f"imitation-{RENDERER_VERSION}-{seed}-{seconds:g}s-{SIZE}.npz"
    if not path.is_file():
        clip = render_clip(seed, seed, round(seconds * FPS), SIZE, FPS)
        base.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.npz")
        note = clip.annotation
        np.savez_compressed(part, pictures=clip.frames, shapes=note.blendshapes, pose=note.pose)
        part.rename(path)
    with np.load(path) as stored:
        return stored["pictures"], stored["shapes"].astype(np.float64), stored["pose"].astype(np.float64)
