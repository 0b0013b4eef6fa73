"""An independent look at what was sent: does it keep the robot's ranges and its limits of velocity, acceleration, jerk?

The limits are enforced elsewhere (:mod:`faceimit.robot.limits`). This counts, from nothing but the values the driver
says it sent and their times, so that a mistake there shows in the summary.
"""

import numpy as np

from faceimit.robot.kinematics import beyond
from faceimit.robot.profile import RobotProfile

PAUSE_S = 0.05  # after a longer pause the robot is taken to have stopped, and a new series begins
BLOCK = 250  # commands looked at together
OVERLAP = 3  # a jerk takes four


class LimitWatch:
    """Counts values that break a limit."""

    def __init__(self, profile: RobotProfile) -> None:
        self._profile = profile
        self._times: list[float] = []
        self._values: list[np.ndarray] = []
        self._counted = self._known = 0

    @property
    def violations(self) -> int:
        """Values that break a limit, so far."""
        self._count()
        return self._counted

    def look(self, values: np.ndarray, now: float) -> None:
        """Look at values (30,) sent at `now`."""
        if self._times and not 0 < now - self._times[-1] <= PAUSE_S:
            self.restart()
        self._times.append(now)
        self._values.append(values)
        if len(self._times) >= BLOCK:
            self._count()

    def restart(self) -> None:
        """The robot begins a new series, from wherever it is."""
        self._count()
        self._times, self._values, self._known = [], [], 0

    def _count(self) -> None:
        """Count the series so far, and keep as much of its end as the next values are compared with."""
        if len(self._times) > self._known:
            found = beyond(np.array(self._times), np.stack(self._values), self._profile)
            self._counted += sum(found.values())
        self._times, self._values = self._times[-OVERLAP:], self._values[-OVERLAP:]
        self._known = len(self._times)
