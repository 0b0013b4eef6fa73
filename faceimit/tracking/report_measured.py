"""What a report draws of test clips: as the run recorded it, or measured again from its best checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faceimit.tracking.page import Figure, Tiles
from faceimit.tracking.report_figures import ClipScore
from faceimit.tracking.report_record import Row, RunRecord


@dataclass(frozen=True)
class Measured:
    """Of the test clips of a run.

    Attributes:
        clips: scores with their keyframes, of a few clips.
        sheets: contact sheet by clip.
        tables: rows by name, as in ``tables/`` of a run folder.
        figures: pictures of what the network sees.
        note: how it was measured; "" where the run recorded it.
    """

    clips: Sequence[ClipScore] = ()
    sheets: Mapping[str, Tiles] = field(default_factory=dict)
    tables: Mapping[str, list[Row]] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    note: str = ""


def recorded(run: RunRecord, most: int = 4) -> Measured:
    """What the run recorded itself."""
    clips = [
        ClipScore(str(clip["clip"]), float(clip["fps"]), clip["score"], clip["target"], clip["keyframes"], clip["true"])
        for clip in run.scores[:most]
    ]
    return Measured(clips=clips)


@dataclass(frozen=True)
class Job:
    """What to measure again.

    Attributes:
        run: the run.
        task: its LightningModule with the best weights, in eval mode.
        data: its data module.
        clips: test clips (or faces) to draw.
        advance: hears what is done, how far, of how much.
    """

    run: RunRecord
    task: Any
    data: Any
    clips: int
    advance: Callable[[str, int, int], None]


def spread(values: Sequence[float], most: int) -> list[int]:
    """Places of at most `most` values from the lowest to the highest, evenly by rank."""
    ranked = np.argsort(values, kind="stable")
    places = np.linspace(0, len(ranked) - 1, min(most, len(ranked))).round().astype(int)
    return [int(ranked[place]) for place in places]
