"""Pictures with points that can be found again: a plain ground with one bright dot for each landmark."""

import numpy as np

from faceimit.data.landmark_augment import Face
from faceimit.data.landmark_module import Faces


def mean_shape(side: float = 128.0) -> np.ndarray:
    """(68, 2) points spread out like a face, in pixels of a crop; no two of them near each other."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    radius = np.where(np.arange(68) % 2, 0.2, 0.36) * side
    points = np.stack([np.cos(angles) * radius, np.sin(angles) * radius], axis=1) + side / 2
    points[36], points[45] = (0.35 * side, 0.45 * side), (0.65 * side, 0.45 * side)
    return points.astype(np.float32)


def dotted_face(index: int, side: int = 128, radius: float = 2.0) -> Face:
    """A face with a dot at point `index` only."""
    points = mean_shape(side)
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(columns - points[index, 0], rows - points[index, 1])
    picture = 255 * np.exp(-((distance / radius) ** 2))
    image = np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)
    return Face(image, points, np.zeros(3, dtype=np.float32), np.zeros(68, dtype=bool))


def centre_of_light(image: np.ndarray) -> np.ndarray:
    """(x, y) of the centre of mass of a picture's light."""
    light = image.astype(np.float64).sum(axis=2)
    rows, columns = np.mgrid[: light.shape[0], : light.shape[1]]
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


def dotted_faces(count: int, side: int = 64) -> Faces:
    """Faces for a data set: `count` dotted ones, alternately turned."""
    faces = [dotted_face(i % 68, side) for i in range(count)]
    turned = np.arange(count) % 2 == 1
    return Faces(
        images=np.stack([face.image for face in faces]),
        landmarks=np.stack([face.landmarks for face in faces]),
        known=np.ones((count, 68), dtype=bool),
        pose=np.where(turned[:, None], [0.5, 0.2, 0.0], [0.0, 0.0, 0.1]).astype(np.float32),
        expressive=np.arange(count) % 3 == 0,
        turned=turned,
    )
