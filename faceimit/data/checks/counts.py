"""How much there is: clips, frames, lengths, frame rates, sizes and valid frames, in all and a split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.data.checks.records import ClipFacts

ALL = "all"


@dataclass(frozen=True)
class SplitCounts:
    """One split, or all of them.

    Attributes:
        split: its name.
        clips, identities: how many; identities is 0 where nobody is named.
        looked: clips whose length is known; what follows is of these.
        frames: how many.
        seconds: duration of the clips whose frame rate is known.
        shortest, median, longest: length of a clip in frames.
        valid_share: frames with a face over all frames of the clips that were looked at, NaN where none was.
    """

    split: str
    clips: int
    identities: int
    looked: int
    frames: int
    seconds: float
    shortest: int
    median: float
    longest: int
    valid_share: float


def split_counts(facts: Sequence[ClipFacts]) -> list[SplitCounts]:
    """Counts of each split in the order train, val, test, then of all; a data set without splits has the last alone."""
    order = {"train": 0, "val": 1, "test": 2}
    splits = sorted({fact.split for fact in facts}, key=lambda split: (order.get(split, 3), split))
    named = [_counts(split, [f for f in facts if f.split == split]) for split in splits if split]
    return [*named, _counts(ALL, facts)]


def frame_rates(facts: Sequence[ClipFacts]) -> dict[float, int]:
    """Frames per second (2 decimals) -> number of clips, the most usual first; unknown rates are left out."""
    rates = Counter(round(float(fact.fps), 2) for fact in facts if np.isfinite(fact.fps))
    return dict(sorted(rates.items(), key=lambda item: (-item[1], item[0])))


def resolutions(facts: Sequence[ClipFacts]) -> dict[tuple[int, int], int]:
    """(width, height) -> number of clips, the most usual first; unknown sizes are left out."""
    sizes = Counter((fact.width, fact.height) for fact in facts if fact.width and fact.height)
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def empty_clips(facts: Sequence[ClipFacts]) -> list[str]:
    """Names of clips without a frame, or without one that holds a face."""
    return [fact.name for fact in facts if fact.frames == 0 or fact.valid == 0]


def _counts(split: str, facts: Sequence[ClipFacts]) -> SplitCounts:
    known = [fact.frames for fact in facts if fact.frames is not None]
    lengths = np.array(known or [0], dtype=np.int64)
    faces = [(f.valid, f.frames) for f in facts if f.valid is not None and f.frames is not None]
    seen, looked = (sum(column) for column in zip(*faces, strict=True)) if faces else (0, 0)
    return SplitCounts(
        split,
        clips=len(facts),
        identities=len({fact.identity for fact in facts if fact.identity}),
        looked=len(known),
        frames=int(lengths.sum()),
        seconds=float(sum(fact.frames / fact.fps for fact in facts if fact.frames and fact.fps > 0)),
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        valid_share=seen / looked if looked else float("nan"),
    )
