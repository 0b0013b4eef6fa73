"""The one way a face is cut out of a picture, in training and on the robot.

A crop is an upright square. For a neutral face looking at the camera it is centred on the middle of the bounding
box of the 68 landmarks and its side is 1.6 times the height of that box (brow to chin).
Positions are in pixels of the picture, x to the right, y down; the centre of the first pixel is (0, 0).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

SIDE_PER_FACE_HEIGHT = 1.6
# Beyond this many samples a side per output pixel the picture is sampled sparsely: bounds the work on huge faces.
MAX_SAMPLES = 8


@dataclass(frozen=True)
class CropBox:
    """A square in a picture: centre (x, y) and side, in pixels, subpixel."""

    x: float
    y: float
    side: float

    def moved(self, dx: float = 0.0, dy: float = 0.0, scale: float = 1.0) -> "CropBox":
        return CropBox(self.x + dx, self.y + dy, self.side * scale)


def box_from_landmarks(landmarks: np.ndarray) -> CropBox:
    """Crop box of (68, 2) landmarks in pixels of the picture; meant for a neutral face, see the module."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    x, y = (low + high) / 2.0
    return CropBox(float(x), float(y), SIDE_PER_FACE_HEIGHT * float(high[1] - low[1]))


def crop_face(image: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Cut ``box`` out of a picture at subpixel accuracy; beyond the border the picture's edge is repeated.

    Args:
        image: (H, W, 3) uint8 RGB, or (H, W) uint8 grey.
        box: where to cut.
        size: S, side of the result in pixels.

    Returns:
        (S, S, 3) or (S, S) uint8. When shrinking, each pixel is the mean over its area, so that nothing aliases.
    """
    samples = min(MAX_SAMPLES, max(1, math.ceil(box.side / size - 0.1)))
    fine = size * samples
    step = box.side / fine
    # Destination pixel u lies at picture x = box.x + (u + 0.5 - fine / 2) * step.
    offset = (0.5 - fine / 2.0) * step
    to_picture = np.array([[step, 0.0, box.x + offset], [0.0, step, box.y + offset]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(image, to_picture, (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped if samples == 1 else cv2.resize(warped, (size, size), interpolation=cv2.INTER_AREA)


def to_crop(points: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Points (..., 2) in pixels of the picture to pixels of the crop of ``size``."""
    return (np.asarray(points) - (box.x, box.y)) * (size / box.side) + (size / 2.0 - 0.5)


def from_crop(points: np.ndarray, box: CropBox, size: int) -> np.ndarray:
    """Inverse of :func:`to_crop`."""
    return (np.asarray(points) - (size / 2.0 - 0.5)) * (box.side / size) + (box.x, box.y)
