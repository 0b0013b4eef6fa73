"""An independent look at what was sent: does it keep the robot's ranges and limits of velocity?

The limits are enforced elsewhere (:mod:`faceimit.robot.limits`). This counts, from nothing but the values the driver
says it sent and their times, so that a mistake there shows in the summary.
"""

import numpy as np

from faceimit.face.controls import SPAN
from faceimit.robot.profile import RobotProfile

LEAST_S = 1e-3  # intervals are not taken for shorter: clocks are not that exact
SLACK = 1e-6  # of the range


class LimitWatch:
    """Counts commands that violate a limit.

    Attributes:
        violations: commands with at least one control outside of its range, too fast, or not finite.
        worst: the largest violation: how much of a control's range too far, or by what share too fast.
    """

    def __init__(self, profile: RobotProfile) -> None:
        self._low = np.where(profile.mask, profile.low, profile.neutral) - SLACK * SPAN
        self._high = np.where(profile.mask, profile.high, profile.neutral) + SLACK * SPAN
        self._velocity = profile.velocity
        self._before: tuple[np.ndarray, float] | None = None
        self.violations, self.worst = 0, 0.0

    def look(self, values: np.ndarray, now: float) -> None:
        """Look at values (30,) sent at `now`."""
        beyond = float((np.maximum(self._low - values, values - self._high) / SPAN).max())
        excess = self._too_fast(values, now)
        if not np.isfinite(values).all() or beyond > 0 or excess > 0:
            self.violations += 1
            self.worst = max(self.worst, beyond, excess)
        self._before = (values, now)

    def restart(self) -> None:
        """The robot starts anew, from wherever it was found."""
        self._before = None

    def _too_fast(self, values: np.ndarray, now: float) -> float:
        """By what share the fastest control went faster than it may since the command before."""
        if self._before is None:
            return 0.0
        before, then = self._before
        allowed = self._velocity * max(now - then, LEAST_S) + SLACK * SPAN
        return float((np.abs(values - before) / allowed).max()) - 1.0
