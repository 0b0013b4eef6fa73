"""One timer for the whole loop: how long each stage takes, as percentiles, in memory that does not grow.

Durations are counted in bins that each are 2 % wider than the one before, from 1 us to 100 s, so that a percentile is
exact to 1 % however long the robot runs.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

LEAST_S, MOST_S, STEP = 1e-6, 100.0, 1.02
_BINS = math.ceil(math.log(MOST_S / LEAST_S) / math.log(STEP)) + 1
SHARES = (0.50, 0.95, 0.99)


class Durations:
    """Counts durations of one stage; a stage belongs to one thread."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, dtype=np.int64)
        self.count, self.longest = 0, 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; what is shorter than a microsecond counts as one."""
        place = math.log(max(seconds, LEAST_S) / LEAST_S) / math.log(STEP)
        self._counts[min(_BINS - 1, int(place))] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def percentile(self, share: float) -> float | None:
        """Seconds that a share in (0, 1] of the durations does not exceed; None where nothing was counted."""
        if not self.count:
            return None
        place = int(np.searchsorted(np.cumsum(self._counts), math.ceil(share * self.count)))
        return min(self.longest, LEAST_S * STEP ** (place + 0.5))


class Timer:
    """Durations by stage, in the order in which the stages are named.

    Args:
        stages: their names.
    """

    def __init__(self, *stages: str) -> None:
        self._stages = {stage: Durations() for stage in stages}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count how long the block takes, also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages[name].add(time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count a duration measured elsewhere."""
        self._stages[name].add(seconds)

    def milliseconds(self) -> dict[str, dict[str, float]]:
        """``{stage: {"p50", "p95", "p99", "count"}}`` in milliseconds, of the stages that ran."""
        found = {}
        for name, durations in self._stages.items():
            percentiles = {f"p{share * 100:.0f}": durations.percentile(share) for share in SHARES}
            numbers = {name: round(1e3 * value, 4) for name, value in percentiles.items() if value is not None}
            if durations.count:
                found[name] = {**numbers, "count": durations.count}
        return found
