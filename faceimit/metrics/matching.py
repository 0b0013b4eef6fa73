"""Errors between predicted and true keyframes of a clip, as numpy functions (:mod:`.keyframe` has the classes).

Keyframes are sorted 0-based frame numbers. The paper's E_l is undefined where the counts differ, so three readings are
given: ordinal, matched, and F1 at a tolerance. Needs no torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

TOLERANCE = 2


@dataclass(frozen=True)
class Counts:
    """Hits of one clip, or their sum over clips.

    Attributes:
        hits: predictions matched one-to-one with true keyframes.
        false: predictions that count against precision.
        missed: true keyframes without a prediction.
    """

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.hits + other.hits, self.false + other.false, self.missed + other.missed)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN), in [0, 1]; 1 when nothing is true and nothing is predicted."""
        total = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / total if total else 1.0


def number_error(predicted: Sequence[int], truth: Sequence[int]) -> int:
    """E_n = |P_n - G_n| of one clip."""
    return abs(len(predicted) - len(truth))


def location_error_ordinal(predicted: Sequence[int], truth: Sequence[int]) -> tuple[float, int]:
    """Ordinal E_l as written in the paper: the x-th prediction against the x-th truth, over the common count.

    Returns:
        Sum of the distances in frames and the number of pairs, min(P, G); E_l is their quotient, undefined at 0 pairs.
    """
    common = min(len(predicted), len(truth))
    if common == 0:
        return 0.0, 0
    ordered_p, ordered_g = np.sort(np.asarray(predicted))[:common], np.sort(np.asarray(truth))[:common]
    return float(np.abs(ordered_p - ordered_g).sum()), common


def location_error_matched(
    predicted: Sequence[int], truth: Sequence[int], within: int | None = None
) -> tuple[float, int]:
    """Matched E_l: over the one-to-one assignment of min(P, G) pairs with the smallest total distance.

    Nothing else bounds a match: however far apart, min(P, G) pairs are formed, so a missed keyframe here and a false
    one there cost their distance, and only a surplus goes free (E_n counts it). With ``within`` the assignment first
    forms as many pairs as lie within that many frames, then makes them as close as possible: the timing of the hits
    alone.

    Args:
        predicted: P frames.
        truth: G frames.
        within: largest distance of a pair in frames; None: unbounded.

    Returns:
        Sum of the distances in frames and the number of pairs; E_l is their quotient, undefined at 0 pairs.
    """
    if len(predicted) == 0 or len(truth) == 0:
        return 0.0, 0
    distance = np.abs(np.asarray(predicted)[:, None] - np.asarray(truth)[None, :]).astype(np.float64)
    cost = distance
    if within is not None:
        # Dearer than every admissible pair together, so that no near pair is given up for a nearer one.
        cost = np.where(distance <= within, distance, (within + 1.0) * (len(predicted) + len(truth)))
    rows, columns = linear_sum_assignment(cost)
    chosen = distance[rows, columns]
    if within is not None:
        chosen = chosen[chosen <= within]
    return float(chosen.sum()), int(chosen.size)


def count_hits(
    predicted: Sequence[int], truth: Sequence[int], weak: Sequence[int] = (), tolerance: int = TOLERANCE
) -> Counts:
    """Hits at a tolerance, one-to-one.

    As many predictions as possible are matched with true keyframes; of the others, as many as possible with weak true
    peaks, where the truth is unsure: those count neither way. (Both at once: the largest matching with true and weak
    peaks together can always be rearranged to contain the largest with true ones.)

    Args:
        predicted: P frames.
        truth: G frames of true keyframes.
        weak: W frames of weak true peaks (prominence 0.03 to 0.1).
        tolerance: largest distance of a match in frames.
    """
    predicted, truth = sorted(predicted), sorted(truth)
    hits = _most_pairs(predicted, truth, tolerance)
    excused = _most_pairs(predicted, sorted([*truth, *weak]), tolerance) - hits if len(weak) else 0
    return Counts(hits, len(predicted) - hits - excused, len(truth) - hits)


def f1(
    predicted: Iterable[Sequence[int]],
    truth: Iterable[Sequence[int]],
    weak: Iterable[Sequence[int]] | None = None,
    tolerance: int = TOLERANCE,
) -> float:
    """F1 at a tolerance, pooled over clips: hits, false and missed keyframes are summed before the quotient."""
    predicted, truth = list(predicted), list(truth)
    unsure = [()] * len(truth) if weak is None else list(weak)
    total = Counts()
    for p, g, w in zip(predicted, truth, unsure, strict=True):
        total += count_hits(p, g, w, tolerance)
    return total.f1


def _most_pairs(a: Sequence[int], b: Sequence[int], tolerance: int) -> int:
    """Size of the largest one-to-one matching of two sorted lists with pairs at most ``tolerance`` apart."""
    i = j = pairs = 0
    while i < len(a) and j < len(b):
        difference = a[i] - b[j]
        if difference > tolerance:
            j += 1
        elif difference < -tolerance:
            i += 1
        else:
            pairs += 1
            i += 1
            j += 1
    return pairs
