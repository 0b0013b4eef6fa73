"""Polynomial planners, for comparison: minimum jerk, and the cubic spline of the original two-stage work.

Both join where a control is to its target by one polynomial a move, long enough that a move from rest keeps the limits,
and no shorter than the time to `arrive`. Joined in motion they know no limit: a polynomial may overshoot its target and
the range, and the cubic's acceleration jumps at every joint, from rest too. What they ask for beyond the limits is what
:class:`faceimit.robot.limits.SafetyFilter` takes away; `experiments/motion/` counts it. To drive a robot, take
:class:`faceimit.robot.trajectory.RuckigPlanner`.
"""

from abc import ABC, abstractmethod

import numpy as np

from faceimit.face.controls import PARTS
from faceimit.robot.kinematics import Limits
from faceimit.robot.profile import RobotProfile


class _PolynomialPlanner(ABC):
    """One polynomial a control from the last retarget to the arrival, at rest afterwards.

    Args:
        profile: of the robot.

    Class attributes:
        peaks: largest velocity, acceleration and jerk of a move of length 1 in time 1 from rest to rest; jerk None
            where it is not finite.
    """

    peaks: tuple[float, float, float | None]

    def __init__(self, profile: RobotProfile) -> None:
        self._limits = Limits.of(profile)
        self._coefficients: np.ndarray = np.empty((0, len(profile.low)))
        self.reset(profile.neutral, 0.0)

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), cut to the ranges.

        Raises:
            InputError: a value that is not finite.
        """
        self._target = self._limits.inside(position)
        self._start, self._duration = now, np.zeros_like(self._target)
        self._coefficients = np.stack([self._target, *[np.zeros_like(self._target)] * 5])

    def retarget(self, target: np.ndarray, now: float, arrive: float | None = None) -> bool:
        """Go to `target` (30,): see :class:`faceimit.robot.trajectory.Planner`."""
        if not np.isfinite(target).all():
            return False
        now = max(now, self._start)
        state = self.step(now)
        self._target = np.clip(np.asarray(target, dtype=np.float64), self._limits.low, self._limits.high)
        self._duration = np.maximum(self._shortest(state), 0.0 if arrive is None else arrive - now)
        self._coefficients = self._join(state, self._target, np.maximum(self._duration, 1e-9))
        self._start = now
        return True

    def step(self, now: float) -> np.ndarray:
        """(3, 30) position, velocity and acceleration at `now`."""
        elapsed = max(now - self._start, 0.0)
        c, t = self._coefficients, np.minimum(elapsed, self._duration)
        position = ((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]) * t + c[0]
        velocity = (((5 * c[5] * t + 4 * c[4]) * t + 3 * c[3]) * t + 2 * c[2]) * t + c[1]
        acceleration = ((20 * c[5] * t + 12 * c[4]) * t + 6 * c[3]) * t + 2 * c[2]
        moving = elapsed < self._duration
        return np.stack([np.where(moving, position, self._target), velocity * moving, acceleration * moving])

    def _shortest(self, state: np.ndarray) -> np.ndarray:
        """(30,) s in which a move of that length from rest to rest keeps the limits, the longest of each face part."""
        length = np.abs(self._target - state[0])
        limits = (self._limits.velocity, self._limits.acceleration, self._limits.jerk)
        orders = [(k, peak, most) for k, (peak, most) in enumerate(zip(self.peaks, limits, strict=True), start=1)]
        shortest = np.max([(peak * length / most) ** (1 / k) for k, peak, most in orders if peak is not None], axis=0)
        # not from rest: leave time to brake, or the polynomial winds itself up
        shortest = np.maximum(shortest, np.abs(state[1]) / self._limits.acceleration)
        for indices in PARTS.values():
            shortest[list(indices)] = shortest[list(indices)].max()
        return shortest

    @abstractmethod
    def _join(self, state: np.ndarray, target: np.ndarray, duration: np.ndarray) -> np.ndarray:
        """(6, 30) coefficients, constant first, from `state` (3, 30) to rest at `target` after `duration` (30,)."""


class MinimumJerkPlanner(_PolynomialPlanner):
    """Quintics: the least squared jerk between two states (Flash and Hogan, J. Neurosci. 1985).

    Position, velocity and acceleration are continuous at a retarget.
    """

    peaks = (1.875, 10 / 3**0.5, 60.0)

    def _join(self, state: np.ndarray, target: np.ndarray, duration: np.ndarray) -> np.ndarray:
        (p, v, a), T = state, duration
        d = target - p
        cubic = (20 * d - 12 * v * T - 3 * a * T**2) / (2 * T**3)
        quartic = (-30 * d + 16 * v * T + 3 * a * T**2) / (2 * T**4)
        quintic = (12 * d - 6 * v * T - a * T**2) / (2 * T**5)
        return np.stack([p, v, a / 2, cubic, quartic, quintic])


class CubicPlanner(_PolynomialPlanner):
    """Cubic spline through the keyframes, at rest in each: only position and velocity are continuous."""

    peaks = (1.5, 6.0, None)

    def _join(self, state: np.ndarray, target: np.ndarray, duration: np.ndarray) -> np.ndarray:
        (p, v, _), T = state, duration
        d = target - p
        nothing = np.zeros_like(d)
        return np.stack([p, v, (3 * d - 2 * v * T) / T**2, (v * T - 2 * d) / T**3, nothing, nothing])
