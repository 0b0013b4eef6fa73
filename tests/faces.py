"""A detector for drawn pictures, and where the real clips lie."""

from pathlib import Path

import numpy as np
import pytest

from faceimit.data.crop import CropBox
from faceimit.data.faces import Face

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
needs_real = pytest.mark.skipif(not (REAL / "clips").is_dir(), reason="the real clips are not at ../shared/real")

FACE = (200, 120, 90)


def picture(x: float, y: float, side: float = 24, width: int = 160, height: int = 120, ground: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: waves with a 'face', a square of one colour centred on (x, y); ``ground`` chooses the waves."""
    rows, columns = np.mgrid[:height, :width]
    waves = 90 + 80 * np.sin(columns / width * 9 + ground) * np.cos(rows / height * 7 + ground)
    image = np.repeat(waves[..., None], 3, axis=-1).astype(np.uint8)
    if side:
        inside = (abs(columns - x) <= side / 2) & (abs(rows - y) <= side / 2)
        image[inside] = FACE
    return image


class SquareDetector:
    """Finds the squares of :func:`picture`, with an error of up to ``noise`` pixels; counts how often it looks."""

    def __init__(self, noise: float = 0.0, seed: int = 0) -> None:
        self.noise, self.random = noise, np.random.default_rng(seed)
        self.looks = self.searches = 0

    def find(self, image, fine=False):
        self.searches += 1
        mask = (abs(image.astype(int) - FACE).sum(axis=-1) < 60).astype(np.uint8)
        return [self._face(mask)] if mask.sum() > 20 else []

    def locate(self, image, near, zoom=1.0):
        self.looks += 1
        mask = (abs(image.astype(int) - FACE).sum(axis=-1) < 60).astype(np.uint8)
        if mask.sum() <= 20:
            return None
        face = self._face(mask)
        return face if np.hypot(face.box.x - near.x, face.box.y - near.y) < 0.5 * near.side else None

    def close(self):
        pass

    def _face(self, mask):
        rows, columns = np.nonzero(mask)
        x, y, side = (columns.mean(), rows.mean(), np.sqrt(mask.sum()) * 1.5) + self.random.uniform(
            -1, 1, 3
        ) * self.noise
        return Face(CropBox(float(x), float(y), float(side)), 1.0)
