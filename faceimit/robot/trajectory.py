"""From targets to motion: planners that are given a new target at any time and asked where every control is now.

All planners have one protocol (:class:`Planner`): `reset` to a pose at rest, `retarget` whenever there is a new target,
`step` as often as the robot is to be sent something. Times are seconds of one clock and come from the caller.

:class:`RuckigPlanner` is the one to drive a robot with: time-optimal under limits of velocity, acceleration and jerk
(Berscheid and Kröger, "Jerk-limited real-time trajectory generation with arbitrary target states", RSS 2021). It starts
to move at once. The controls of one face part arrive together, and parts do not wait for each other: lips that waited
for the neck would arrive half a second late. With `arrive`, the time of the next keyframe, every part that can be there
by then arrives exactly then, stretched in time from the onset on. A part that cannot goes as fast as its limits allow
and is on its way when the next target takes over: neither the target nor the direction is changed, so that an
expression cut short still is that expression, at a smaller amplitude.

Ruckig does not bound positions. Here they are bounded by construction: a trajectory is taken only if its extrema lie in
the range, else the unstretched one, else the part keeps the trajectory it is on, which ends at rest in the range.
"""

from itertools import chain
from typing import Protocol

import numpy as np
from ruckig import InputParameter, Result, Ruckig, RuckigError, Synchronization, Trajectory

from faceimit.errors import InputError
from faceimit.face.controls import PARTS
from faceimit.robot.profile import RobotProfile

# Ruckig's tolerances are absolute: it fails on degrees and seconds, not on shares of the range and twentieths of a
# second, in which all limits of the table are of the order of 1.
_TICK = 0.05
_OUTSIDE = 1e-9  # of the range, that a trajectory may seem to leave it by rounding


class Planner(Protocol):
    """What every planner does. Values are (30,) in table order and units."""

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), cut to the ranges."""

    def retarget(self, target: np.ndarray, now: float, arrive: float | None = None) -> bool:
        """Go to `target` (30,) from wherever it is at `now`.

        Args:
            target: values, cut to the ranges.
            now: seconds.
            arrive: seconds of the same clock at which to be there, later if the limits say so; as soon as possible if
                None or past.

        Returns:
            False if a value is not finite; then nothing changes.
        """

    def step(self, now: float) -> np.ndarray:
        """(3, 30) position, velocity and acceleration at `now`; before the last retarget as at the retarget."""


class RuckigPlanner:
    """Jerk-limited motion inside the ranges and limits of a profile; each face part arrives as one.

    Attributes:
        kept: how many times a part kept its trajectory because the new one would have left the range or failed.
    """

    def __init__(self, profile: RobotProfile) -> None:
        self._low = np.where(profile.mask, profile.low, profile.neutral)
        self._high = np.where(profile.mask, profile.high, profile.neutral)
        self._origin, self._span = profile.low, profile.high - profile.low
        self._units = self._span * np.array([[1.0], [1 / _TICK], [1 / _TICK**2]])
        self._offset = np.stack([profile.low, np.zeros(len(profile.low)), np.zeros(len(profile.low))])
        self._parts = [_PartPlanner(profile, indices) for indices in PARTS.values()]
        self._parts.sort(key=lambda part: part.where.start)
        self.kept = 0
        self.reset(profile.neutral, 0.0)

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), cut to the ranges.

        Raises:
            InputError: a value that is not finite.
        """
        if not np.isfinite(position).all():
            raise InputError("expected a finite pose to start from but got one that is not, measure it again")
        shares = ((np.clip(position, self._low, self._high) - self._origin) / self._span).tolist()
        for part in self._parts:
            part.reset(shares[part.where], now)

    def retarget(self, target: np.ndarray, now: float, arrive: float | None = None) -> bool:
        """Go to `target` (30,): see :class:`Planner`."""
        inside = np.minimum(np.maximum(target, self._low), self._high)
        shares = ((inside - self._origin) / self._span).tolist()
        if not np.isfinite(inside.sum()):
            return False
        ticks = None if arrive is None or arrive <= now else (arrive - now) / _TICK
        for part in self._parts:
            self.kept += not part.retarget(shares[part.where], now, ticks)
        return True

    def step(self, now: float) -> np.ndarray:
        """(3, 30) position, velocity and acceleration at `now`."""
        states = [part.state(now) for part in self._parts]
        rows = [list(chain.from_iterable(row)) for row in zip(*states, strict=True)]
        return np.array(rows) * self._units + self._offset

    def arrival(self) -> float:
        """Seconds at which the last part is at its target."""
        return max(part.start + part.trajectory.duration * _TICK for part in self._parts)


class _PartPlanner:
    """One face part, in shares of the range and ticks; lists, since they are what ruckig takes and gives."""

    def __init__(self, profile: RobotProfile, indices: tuple[int, ...]) -> None:
        self.where = slice(indices[0], indices[-1] + 1)  # the table keeps the controls of a part together
        count, span = len(indices), (profile.high - profile.low)[self.where]
        self.start = 0.0
        self.trajectory, self._spare = Trajectory(count), Trajectory(count)
        self._ruckig, self._input = Ruckig(count), InputParameter(count)
        self._input.synchronization = Synchronization.Time
        self._input.max_velocity = (profile.velocity[self.where] / span * _TICK).tolist()
        self._input.max_acceleration = (profile.acceleration[self.where] / span * _TICK**2).tolist()
        self._input.max_jerk = (profile.jerk[self.where] / span * _TICK**3).tolist()

    def reset(self, position: list[float], now: float) -> None:
        rest = [0.0] * len(position)
        self._input.current_position, self._input.target_position = position, position
        self._input.current_velocity, self._input.current_acceleration = rest, rest
        self._input.minimum_duration = None
        self._ruckig.calculate(self._input, self.trajectory)
        self.start = now

    def state(self, now: float) -> tuple[list[float], list[float], list[float]]:
        """Position, velocity and acceleration at `now`, held from the start on and at the end."""
        return self.trajectory.at_time(max(0.0, (now - self.start) / _TICK))

    def retarget(self, target: list[float], now: float, ticks: float | None) -> bool:
        """Whether the part is now on its way to `target`, in at least `ticks`; else it stays on its way."""
        given = self._input
        given.current_position, given.current_velocity, given.current_acceleration = self.state(now)
        given.target_position = target
        given.minimum_duration = ticks
        if not (self._plan() or (ticks is not None and self._plan_unstretched())):
            return False
        self.trajectory, self._spare = self._spare, self.trajectory
        self.start = max(now, self.start)
        return True

    def _plan_unstretched(self) -> bool:
        self._input.minimum_duration = None
        return self._plan()

    def _plan(self) -> bool:
        """Whether the spare trajectory now is a sound one."""
        try:
            result = self._ruckig.calculate(self._input, self._spare)
        except RuckigError:
            return False
        if result not in {Result.Working, Result.Finished}:
            return False
        return all(e.min >= -_OUTSIDE and e.max <= 1 + _OUTSIDE for e in self._spare.position_extrema)


def make_planner(name: str, profile: RobotProfile) -> Planner:
    """The planner of that name for a robot: ``ruckig``, ``minimum_jerk`` or ``cubic``.

    Raises:
        InputError: no such planner.
    """
    from faceimit.robot.planners import CubicPlanner, MinimumJerkPlanner

    kinds = {"ruckig": RuckigPlanner, "minimum_jerk": MinimumJerkPlanner, "cubic": CubicPlanner}
    if name not in kinds:
        raise InputError(f"expected a planner among {', '.join(kinds)} but got {name}, choose one of these")
    return kinds[name](profile)
