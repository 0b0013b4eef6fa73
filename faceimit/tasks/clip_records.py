"""What is kept of each clip that was scored: errors as a row of a table, and the score itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faceimit.keyframes.search import SearchParams, find_keyframes, true_keyframes
from faceimit.metrics.correlation import pearson
from faceimit.metrics.keyframe import KeyframeErrors


@dataclass(frozen=True, eq=False)
class Scored:
    """A clip with its score.

    Attributes:
        score: (T,) float64 in [0, 1], predicted; NaN where there is no face.
        target: the true one, likewise.
        fps: frames per second.
        name: of the clip.
    """

    score: np.ndarray
    target: np.ndarray
    fps: float
    name: str


def clip_rows(scored: Sequence[Scored], search: SearchParams) -> list[dict[str, Any]]:
    """A row a clip: name, frames, how many keyframes there are and were found, every error; None where undefined."""
    rows = []
    for clip in scored:
        found, truth = find_keyframes(clip.score, clip.fps, search), true_keyframes(clip.target, clip.fps)
        errors = KeyframeErrors(sync_on_compute=False)
        errors.update(found, truth.strong, len(clip.score), truth.weak)
        values = {name: float(value) for name, value in errors.compute().items()}
        values["correlation"] = float(pearson(clip.score, clip.target))
        about = {"clip": clip.name, "frames": len(clip.score), "true": len(truth.strong), "found": len(found)}
        rows.append(about | {name: value if math.isfinite(value) else None for name, value in values.items()})
    return rows


def score_records(scored: Sequence[Scored], search: SearchParams) -> list[dict[str, Any]]:
    """Score, target and keyframes of each clip in plain types, None where there is no face."""
    return [
        {
            "clip": clip.name,
            "fps": clip.fps,
            "score": _plain(clip.score),
            "target": _plain(clip.target),
            "keyframes": [int(frame) for frame in find_keyframes(clip.score, clip.fps, search)],
            "true": [int(frame) for frame in true_keyframes(clip.target, clip.fps).strong],
        }
        for clip in scored
    ]


def _plain(values: np.ndarray) -> list[float | None]:
    return [round(float(value), 6) if np.isfinite(value) else None for value in values]
