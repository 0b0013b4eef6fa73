"""A planner for targets that never rest: it follows them with the least jerk instead of stopping at each.

:class:`~faceimit.robot.trajectory.RuckigPlanner` goes to a target as quickly as the limits allow and stops there. For a
keyframe that is right. Sent a new target every frame it starts and brakes at full jerk each time. Here the motion is
always the one of least squared jerk (Flash and Hogan, J. Neurosci. 1985) that would be at rest at the target after a
fixed `horizon`, begun anew at every instant. That is a linear law,

    jerk = 60 / h^3 (target - position) - 36 / h^2 velocity - 9 / h acceleration,

so position, velocity and acceleration are continuous whatever the target does, noise quicker than the horizon is
smoothed, and where it will be is known in closed form for any step of time. A larger horizon is smoother and later.

Between a command and the joint lie delays that are known: the command stands until the next one, waits in queue and
bus, and is smoothed by the drive. So the command is where the plan will be `lead` seconds from now. That predicts
nothing of the face, only the plan, whose target stays what it is; without it the first command after a target still
holds the old pose, and what it brings shows one command later. What is sent then steps a little at each new target,
within what the filter before every robot lets through. Horizon and lead were chosen on validation performances
(`experiments/imitation/`).

Ranges are kept here; speed, acceleration and jerk by the filter before every robot (:mod:`faceimit.robot.limits`).
"""

from math import isfinite

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.kinematics import Limits
from faceimit.robot.profile import RobotProfile

HORIZON, LEAD = 0.145, 0.05
# One horizon as the unit of time: (position - target, velocity, acceleration) change by this matrix.
_LAW = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-60.0, -36.0, -9.0]])
_RATES, _MODES = np.linalg.eig(_LAW)
_INVERSE = np.linalg.inv(_MODES)


class FeedforwardPlanner:
    """Least jerk towards a moving target; see :class:`faceimit.robot.trajectory.Planner`.

    Args:
        profile: of the robot.
        horizon: seconds in which each target is to be reached; a jump is done to 90 % after as long.
        lead: seconds by which the command is ahead of the plan; less than the robot's own delay.
    """

    def __init__(self, profile: RobotProfile, horizon: float = HORIZON, lead: float = LEAD) -> None:
        if not horizon > 0 or not lead >= 0:
            raise InputError(f"expected a horizon > 0 and a lead >= 0 s but got {horizon} and {lead}, try 0.1 and 0")
        self._limits = Limits.of(profile)
        self._usual, self._lead = horizon, lead
        self.reset(profile.neutral, 0.0)

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), cut to the ranges.

        Raises:
            InputError: a value that is not finite.
        """
        self._target = self._limits.inside(position)
        self._offset = np.zeros((3, len(self._target)))  # of the state from rest at the target, at the start
        self._start = now
        self._take(self._usual)

    def retarget(self, target: np.ndarray, now: float, arrive: float | None = None) -> bool:
        """Go to `target` (30,): see :class:`faceimit.robot.trajectory.Planner`."""
        if not isfinite(target.sum()):
            return False
        state, self._start = self._motion(now), max(now, self._start)
        self._target = np.minimum(np.maximum(target, self._limits.low), self._limits.high)
        state[0] -= self._target
        self._offset = state
        self._take(self._usual if arrive is None else max(self._usual, arrive - now))
        return True

    def step(self, now: float) -> np.ndarray:
        """(3, 30) position, velocity and acceleration of the plan `lead` after `now`."""
        state = self._motion(now + self._lead)
        inside = np.minimum(np.maximum(state[0], self._limits.low), self._limits.high)
        state[1:] *= inside == state[0]
        state[0] = inside
        return state

    def _take(self, horizon: float) -> None:
        """Reach the target after `horizon` seconds from now on."""
        units = np.array([1.0, horizon, horizon**2])
        self._horizon, self._units = horizon, units / units[:, None]

    def _motion(self, now: float) -> np.ndarray:
        """(3, 30) state at `now`, exactly."""
        elapsed = max(now - self._start, 0.0) / self._horizon
        onward = (_MODES * np.exp(_RATES * elapsed) @ _INVERSE).real * self._units
        state: np.ndarray = onward @ self._offset
        state[0] += self._target
        return state
