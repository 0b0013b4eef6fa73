"""Tiny clips for tests: a bright blob whose width follows a blendshape, so that there is something to learn."""

import numpy as np

from faceimit.face.blendshapes import INDEX
from faceimit.face.records import Annotation, Clip


def blob_clip(seed: int, frames: int = 40, size: int = 64, fps: float = 25.0) -> Clip:
    """A clip of one identity; ``jawOpen`` opens and shuts a dark hole in the picture."""
    generator = np.random.default_rng(seed)
    opening = np.zeros(frames)
    for start in range(4, frames - 8, 12):
        opening[start : start + 5] += np.linspace(0, 1, 5) * generator.uniform(0.4, 1.0)
        opening[start + 5 :] = opening[start + 4] if start % 24 < 12 else 0.0
    opening = np.clip(opening, 0, 1)
    y, x = np.mgrid[0:size, 0:size] / (size / 2) - 1
    base = generator.uniform(60, 200, size=3)
    hole = np.abs(y[None]) < 0.05 + 0.4 * opening[:, None, None]
    dark = hole & (np.abs(x[None]) < 0.4)
    pictures = np.where(dark[..., None], 20.0, base) + generator.normal(0, 2, size=(frames, size, size, 3))
    blendshapes = np.zeros((frames, 52), dtype=np.float32)
    blendshapes[:, INDEX["jawOpen"]] = opening
    annotation = Annotation(blendshapes, np.zeros((frames, 3), dtype=np.float32), np.ones(frames, dtype=bool))
    name = f"blob{seed}"
    return Clip(name, name, fps, np.clip(pictures, 0, 255).astype(np.uint8), annotation)
