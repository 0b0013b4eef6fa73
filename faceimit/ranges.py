"""Ranges of numbers, written where they belong: in the annotation of an argument or field.

``steps: Count | None`` is an ``int`` of 1 or more, or None, for a type checker an ``int | None``. What a configuration
sets is held against these annotations (:mod:`faceimit.tracking.schema`) before anything is built of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both of them in it.

    Attributes:
        low, high: ends; infinite: there is none.
        above: `low` itself is not in it.
        below: nor is `high`.
    """

    low: float
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        from_low = value > self.low if self.above else value >= self.low
        return from_low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        low, high = (f"{end:.10g}" for end in (self.low, self.high))
        if self.high == math.inf:
            return f"above {low}" if self.above else f"of {low} or more"
        if self.above:
            return f"above {low} and {'below' if self.below else 'at most'} {high}"
        return f"from {low} to {'below ' if self.below else ''}{high}"


Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Weight = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
# of a split: something is left on either side
MidShare = Annotated[float, Range(0, 1, above=True, below=True)]
# of a dropout, or of a part beside which something must be left
PartShare = Annotated[float, Range(0, 1, below=True)]
Side = Annotated[int, Range(16)]
Frames = Annotated[int, Range(2)]
Seed = Annotated[int, Range(0, 2**32 - 1)]


@dataclass(frozen=True)
class PerSplit:
    """How many of each split."""

    train: Count
    val: Count
    test: Count


@dataclass(frozen=True)
class NamesPerSplit:
    """Which of each split."""

    train: Sequence[str]
    val: Sequence[str]
    test: Sequence[str]


# mappings with the names and values of a dataclass
Splits = Annotated[Mapping[str, int], PerSplit]
SplitNames = Annotated[Mapping[str, Sequence[str]], NamesPerSplit]
