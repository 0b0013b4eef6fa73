"""How well the recorded values cover the space they span, and what to record next.

All values are shares of their range, so the space is the unit cube. Distances are root mean squares over the columns:
1 is from one corner to the opposite one. Comparisons are with as many points drawn evenly from the cube.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceimit.data.checks.records import Vocabulary

CELLS = 12  # a side of the grid for each pair of values
MOST_POINTS = 1500  # compared with each other
ROWS = 256  # of a table of distances made at a time
_CANDIDATES = 3000
_TOLD = 4  # values named of a pose


@dataclass(frozen=True)
class Coverage:
    """Coverage of the space of K values by N points.

    Attributes:
        pairs: (K, K) share of the cells that each pair of values visits, over the share that even points would visit.
        overall: mean over the pairs, 1 for even points, near 0 for points on a line.
        dimensions: participation ratio of the variances along the principal components: K where all values vary
            freely and alike, 1 on a line.
        variance: (min(K, 10),) share of the variance of the leading components.
        gap_median, gap_largest: distance of a point to its nearest neighbour.
        even_gap: median of the same for even points.
        reach: median distance from an even point to the nearest recorded one.
        even_reach: the same, to the nearest of other even points.
        hull_share: area of the convex hull in the plane of the two leading components, over the area the cube has
            there.
        even_hull_share: of even points in the same plane.
        plane: (N, 2) the points in that plane, for a picture.
        even_plane: (N, 2) even points in that plane.
    """

    pairs: np.ndarray
    overall: float
    dimensions: float
    variance: np.ndarray
    gap_median: float
    gap_largest: float
    even_gap: float
    reach: float
    even_reach: float
    hull_share: float
    even_hull_share: float
    plane: np.ndarray
    even_plane: np.ndarray


@dataclass(frozen=True)
class NextPose:
    """A pose worth recording.

    Attributes:
        values: (K,) in their units.
        gap: distance to the nearest recorded pose, or to one proposed before.
        why: names and values that set it apart from the neutral face, the most unusual first.
    """

    values: np.ndarray
    gap: float
    why: tuple[tuple[str, float], ...]


def coverage(points: np.ndarray, seed: int = 0) -> Coverage:
    """Coverage of the unit cube.

    Args:
        points: (N, K) shares of the range, N >= 4, K >= 2; beyond [0, 1] they are clipped.
        seed: of the even points and of the sample compared pair by pair.
    """
    points = np.clip(np.asarray(points, dtype=np.float64), 0.0, 1.0)
    generator = np.random.default_rng(seed)
    even = generator.random(points.shape)
    some = points[generator.permutation(len(points))[:MOST_POINTS]]
    even_some, probes = even[:MOST_POINTS], generator.random((len(some), points.shape[1]))
    axes, variances = principal_axes(points)
    plane, even_plane = (some - 0.5) @ axes[:, :2], (even_some - 0.5) @ axes[:, :2]
    area = _cube_area(axes[:, :2])
    pairs = pair_coverage(points) / np.maximum(pair_coverage(even), 1e-9)
    off_diagonal = ~np.eye(points.shape[1], dtype=bool)
    gaps, even_gaps = nearest(some, None), nearest(even_some, None)
    return Coverage(
        pairs=np.minimum(pairs, 1.0),
        overall=float(np.minimum(pairs, 1.0)[off_diagonal].mean()),
        dimensions=float(variances.sum() ** 2 / np.maximum((variances**2).sum(), 1e-30)),
        variance=(variances / max(variances.sum(), 1e-30))[:10],
        gap_median=float(np.median(gaps)),
        gap_largest=float(gaps.max()),
        even_gap=float(np.median(even_gaps)),
        reach=float(np.median(nearest(probes, some))),
        even_reach=float(np.median(nearest(probes, even_some))),
        hull_share=_hull_area(plane) / area,
        even_hull_share=_hull_area(even_plane) / area,
        plane=plane,
        even_plane=even_plane,
    )


def principal_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of (N, K) points: axes (K, K) in columns and variances (K,), the largest first."""
    variances, axes = np.linalg.eigh(np.cov(points, rowvar=False))
    return axes[:, ::-1], np.maximum(variances[::-1], 0.0)


def pair_coverage(points: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """(K, K) share of the cells of a square grid that (N, K) points in [0, 1] visit, for each pair of columns."""
    count = points.shape[1]
    place = np.minimum((points * cells).astype(np.int64), cells - 1)
    result = np.ones((count, count))
    for i in range(count):
        for j in range(i):
            visited = np.bincount(place[:, i] * cells + place[:, j], minlength=cells * cells) > 0
            result[i, j] = result[j, i] = visited.mean()
    return result


def nearest(points: np.ndarray, others: np.ndarray | None) -> np.ndarray:
    """(N,) distance of each of (N, K) points to the nearest of (M, K) others, or of the points themselves (None)."""
    from scipy.spatial.distance import cdist

    # pair by pair: in thirty dimensions a tree of cells looks at nearly all of them as well
    targets, found = points if others is None else others, np.empty(len(points))
    for start in range(0, len(points), ROWS):
        distances = cdist(points[start : start + ROWS], targets)
        if others is None:
            own = np.arange(len(distances))
            distances[own, start + own] = np.inf
        found[start : start + ROWS] = distances.min(axis=1)
    return found / np.sqrt(points.shape[1])


def next_poses(values: np.ndarray, vocabulary: Vocabulary, count: int = 8, seed: int = 0) -> list[NextPose]:
    """Poses to record next: the farthest from all that is recorded, and from each other, among feasible ones.

    Feasible is what is made of parts that were recorded, put together anew (brows of one frame, mouth of another: the
    parts move independently), with at most one value then moved to an end of its range that nobody has visited.

    Args:
        values: (N, K) recorded values in their units, finite.
        vocabulary: of the values.
        count: how many to propose.
        seed: of the candidates.
    """
    generator = np.random.default_rng(seed)
    recorded = np.clip(vocabulary.normalised(values), 0.0, 1.0)
    recorded = recorded[generator.permutation(len(recorded))[: 4 * MOST_POINTS]]
    candidates = _recombined(recorded, list(vocabulary.parts.values()), generator)
    gaps = nearest(candidates, recorded)
    chosen = []
    for _ in range(count):
        best = int(gaps.argmax())
        if gaps[best] <= 0.0:
            break
        pose = candidates[best]
        span = vocabulary.high - vocabulary.low
        chosen.append(NextPose(pose * span + vocabulary.low, float(gaps[best]), _why(pose, recorded, vocabulary)))
        gaps = np.minimum(gaps, nearest(candidates, pose[None]))
    return chosen


def _recombined(recorded: np.ndarray, parts: Sequence[tuple[int, ...]], generator: np.random.Generator) -> np.ndarray:
    """(_CANDIDATES, K): each part from a recorded row of its own, half of them with one value at an unvisited end."""
    candidates = np.empty((_CANDIDATES, recorded.shape[1]))
    candidates[:] = recorded[generator.integers(len(recorded), size=_CANDIDATES)]
    for part in parts:
        rows = generator.integers(len(recorded), size=_CANDIDATES)
        columns = np.array(part, dtype=np.int64)
        candidates[:, columns] = recorded[np.ix_(rows, columns)]
    low, high = recorded.min(axis=0), recorded.max(axis=0)
    ends = [(k, 0.0) for k in np.flatnonzero(low > 0.1)] + [(k, 1.0) for k in np.flatnonzero(high < 0.9)]
    for row in range(0, _CANDIDATES if ends else 0, 2):
        column, end = ends[int(generator.integers(len(ends)))]
        candidates[row, column] = end
    return candidates


def _why(pose: np.ndarray, recorded: np.ndarray, vocabulary: Vocabulary) -> tuple[tuple[str, float], ...]:
    """The values that differ most from their usual course, in their units."""
    middle, spread = np.median(recorded, axis=0), recorded.std(axis=0) + 0.05
    unusual = np.argsort(-np.abs(pose - middle) / spread * np.sqrt(np.abs(pose - middle)))[:_TOLD]
    units = pose * (vocabulary.high - vocabulary.low) + vocabulary.low
    return tuple((vocabulary.names[k], float(units[k])) for k in unusual)


def _cube_area(axes: np.ndarray) -> float:
    """Area of the unit cube's shadow in the plane of (K, 2) orthonormal axes: the sum over all pairs of its edges."""
    crossed = axes[:, None, 0] * axes[None, :, 1] - axes[:, None, 1] * axes[None, :, 0]
    return float(np.abs(crossed).sum() / 2)


def _hull_area(plane: np.ndarray) -> float:
    """Area of the convex hull of (N, 2) points; 0 where they lie on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(plane).volume)
    except QhullError:
        return 0.0
