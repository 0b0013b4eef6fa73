"""Rows of an annotation store for tests."""

import numpy as np

from faceimit.data.store import ARRAYS, StoredClip
from faceimit.data.videos import CROP_VERSION


def stored(name: str, frames: int = 12, seed: int = 0, **changes) -> StoredClip:
    """A row of random values in their ranges, every frame valid; `changes` replace columns."""
    generator = np.random.default_rng([seed, *name.encode()])
    values = {
        "name": name, "source": f"/videos/{name}.mp4", "relative": f"{name}.mp4", "sha256": "0" * 64, "bytes": 1000,
        "annotator": "fake", "annotator_version": "1", "model_sha256": "", "fps": 25.0, "width": 64, "height": 48,
        "crop_version": CROP_VERSION, "times": np.arange(frames) / 25, "valid": np.ones(frames, dtype=bool),
        "faces": np.ones(frames, dtype=np.uint8), "blendshapes": generator.random((frames, 52)),
        "matrices": np.tile(np.eye(4), (frames, 1, 1)), "landmarks": generator.random((frames, 478, 3)),
        "boxes": np.tile([32.0, 24.0, 30.0], (frames, 1)),
    }  # fmt: skip
    values |= changes
    arrays = {key: np.asarray(values.pop(key), dtype=dtype) for key, (dtype, _) in ARRAYS.items()}
    return StoredClip(**values, **arrays)


def same(a: StoredClip, b: StoredClip) -> bool:
    """Whether two rows are equal in every bit."""
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)
