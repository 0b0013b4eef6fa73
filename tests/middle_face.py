"""A plug-in annotator for tests: one face, always in the middle of the picture; the mouth opens and shuts with time."""

import hashlib

import numpy as np

from faceimit.data.corpora import Source
from faceimit.data.store import StoredClip
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from faceimit.face.blendshapes import INDEX
from tests.stores import stored


class MiddleFace:
    """Annotates without looking; refuses videos whose name says so."""

    name, version, model_sha256 = "middle", "1", ""

    def __init__(self, model=None) -> None:
        pass

    def annotate(self, source: Source) -> StoredClip:
        if "refused" in source.name:
            raise InputError(f"{source.path} is refused")
        with read_frames(source.path) as video:
            times = np.array([frame.time_s for frame in video])
        return row(source, times, video.info, video.note or "")

    def close(self) -> None:
        pass


def row(source: Source, times: np.ndarray, info, note: str = "") -> StoredClip:
    """What :class:`MiddleFace` says of a video; no face is valid in one whose name holds "nobody"."""
    frames, generator = len(times), np.random.default_rng([*source.name.encode()])
    blendshapes = np.zeros((frames, 52))
    blendshapes[:, INDEX["jawOpen"]] = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * times + generator.random()))
    angle = np.linspace(0, 2 * np.pi, 478)
    circle = np.stack([0.5 + 0.3 * np.cos(angle), 0.5 + 0.3 * np.sin(angle), 0 * angle], axis=-1)
    side = 0.9 * min(info.width, info.height)
    return stored(
        source.name, frames, source=str(source.path), relative=source.relative, times=times, fps=info.fps,
        sha256=hashlib.sha256(source.path.read_bytes()).hexdigest(), bytes=source.path.stat().st_size,
        width=info.width, height=info.height, note=note, annotator="middle", blendshapes=blendshapes,
        landmarks=np.tile(circle, (frames, 1, 1)), valid=np.full(frames, "nobody" not in source.name),
        boxes=np.tile([info.width / 2 - 0.5, info.height / 2 - 0.5, side], (frames, 1)),
    )  # fmt: skip
