"""From targets to motion: planners that are given a new target at any time and asked where every control is now.

All planners have one protocol (:class:`Planner`): `reset` to a pose at rest, `retarget` whenever there is a new target,
`step` as often as the robot is to be sent something. Times are seconds of one clock and come from the caller.

:class:`RuckigPlanner` is the one to drive a robot with: time-optimal under limits of velocity, acceleration and jerk
(Berscheid and Kröger, "Jerk-limited real-time trajectory generation with arbitrary target states", RSS 2021). It starts
to move at once. What makes one expression arrives together (:data:`GROUPS`: brows, jaw, lips and nose; lids; gaze; head
and neck), and groups do not wait for each other: lips that waited for the neck would arrive half a second late. With
`arrive`, the time of the next keyframe, every group that can be there by then arrives exactly then, stretched in time
from the onset on. A group that cannot goes as fast as its limits allow and is on its way when the next target takes
over: neither the target nor the direction is changed, so that an expression cut short still is that expression, at a
smaller amplitude.

Ruckig does not bound positions. Here they are bounded by construction: a trajectory is taken only if its extrema lie in
the range, else the unstretched one, else one in which every control arrives as soon as it can, else the group keeps the
trajectory it is on, which ends at rest in the range.
"""

from collections.abc import Callable
from itertools import chain, pairwise
from math import inf, isfinite
from operator import attrgetter
from typing import Protocol

import numpy as np
from ruckig import InputParameter, Result, Ruckig, RuckigError, Synchronization, Trajectory

from faceimit.errors import InputError
from faceimit.face.controls import PARTS, Part
from faceimit.robot.kinematics import Limits
from faceimit.robot.profile import RobotProfile

# Ruckig's tolerances are absolute: it fails on degrees and seconds, not on shares of the range and twentieths of a
# second, in which all limits of the table are of the order of 1.
_TICK = 0.05
_OUTSIDE = 1e-7  # of the range: ruckig meets a target at its end to 1e-8; what is sent is cut

# Parts that arrive together. Fewer, larger groups are also quicker to plan than the eight parts.
GROUPS: tuple[tuple[Part, ...], ...] = (("brow", "jaw", "lip", "nose"), ("eyelid",), ("gaze",), ("head", "neck"))

# looked up once: at 20,000 a second these count
_PLANNED = Result.Working
_LOWEST, _HIGHEST = attrgetter("min"), attrgetter("max")


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
    """Jerk-limited motion inside the ranges and limits of a profile; each of :data:`GROUPS` arrives as one.

    Attributes:
        kept: how many times a group kept its trajectory because the new one would have left the range or failed.
    """

    def __init__(self, profile: RobotProfile) -> None:
        members = [[i for part in group for i in PARTS[part]] for group in GROUPS]
        order = np.concatenate(members)
        self._order, self._back = order, np.argsort(order)
        self._lowest, self._highest, *_ = Limits.of(profile)
        self._low, self._high = self._lowest[order], self._highest[order]
        self._origin, self._span = profile.low[order], (profile.high - profile.low)[order]
        self._units = np.array([[1.0], [1 / _TICK], [1 / _TICK**2]]) * (profile.high - profile.low)
        self._offset = np.array([[1.0], [0.0], [0.0]]) * profile.low
        ends = np.cumsum([0, *map(len, members)]).tolist()
        self._slices = [slice(*pair) for pair in pairwise(ends)]
        self._groups = [_GroupPlanner(profile, np.array(indices)) for indices in members]
        self.kept = 0
        self.reset(profile.neutral, 0.0)

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), cut to the ranges.

        Raises:
            InputError: a value that is not finite.
        """
        shares = self._shares(position)
        if shares is None:
            raise InputError("expected a finite pose to start from but got one that is not, measure it again")
        for group, where in zip(self._groups, self._slices, strict=True):
            group.reset(shares[where], now)

    def retarget(self, target: np.ndarray, now: float, arrive: float | None = None) -> bool:
        """Go to `target` (30,): see :class:`Planner`."""
        shares = self._shares(target)
        if shares is None:
            return False
        ticks = None if arrive is None or arrive <= now else (arrive - now) / _TICK
        for group, where in zip(self._groups, self._slices, strict=True):
            self.kept += not group.retarget(shares[where], now, ticks)
        return True

    def step(self, now: float) -> np.ndarray:
        """(3, 30) position, velocity and acceleration at `now`."""
        rows = zip(*[group.state(now) for group in self._groups], strict=True)
        flat = np.fromiter(chain.from_iterable(chain.from_iterable(rows)), np.float64, self._units.size)
        state = flat.reshape(3, -1)[:, self._back] * self._units + self._offset
        np.minimum(np.maximum(state[0], self._lowest), self._highest, out=state[0])
        return state

    def arrival(self) -> float:
        """Seconds at which the last group is at its target."""
        return max(group.start + group.trajectory.duration * _TICK for group in self._groups)

    def _shares(self, values: np.ndarray) -> list[float] | None:
        """Values (30,) cut to the ranges, as shares of them in the order of the groups; None if one is not finite."""
        inside = np.minimum(np.maximum(values[self._order], self._low), self._high)
        shares: list[float] = ((inside - self._origin) / self._span).tolist()
        return shares if isfinite(values.sum()) else None


class _GroupPlanner:
    """Controls that arrive together, in shares of the range and ticks; lists, since ruckig takes and gives them."""

    def __init__(self, profile: RobotProfile, indices: np.ndarray) -> None:
        count, span = len(indices), (profile.high - profile.low)[indices]
        self.start = 0.0
        self.trajectory, self._spare = Trajectory(count), Trajectory(count)
        self._ruckig, self._input = Ruckig(count), InputParameter(count)
        self._input.synchronization = Synchronization.Time
        self._input.max_velocity = (profile.velocity[indices] / span * _TICK).tolist()
        self._input.max_acceleration = (profile.acceleration[indices] / span * _TICK**2).tolist()
        self._input.max_jerk = (profile.jerk[indices] / span * _TICK**3).tolist()

    def reset(self, position: list[float], now: float) -> None:
        rest = [0.0] * len(position)
        self._input.current_position, self._input.target_position = position, position
        self._input.current_velocity, self._input.current_acceleration = rest, rest
        self._input.minimum_duration = None
        self._ruckig.calculate(self._input, self.trajectory)
        self.start, self._asked = now, -inf

    def state(self, now: float) -> tuple[list[float], list[float], list[float]]:
        """Position, velocity and acceleration at `now`, held from the start on and at the end."""
        if now != self._asked:  # a step and a retarget usually share their time
            self._state = self.trajectory.at_time(max(0.0, (now - self.start) / _TICK))
            self._asked = now
        return self._state

    def retarget(self, target: list[float], now: float, ticks: float | None) -> bool:
        """Whether the group is now on its way to `target`, in at least `ticks`; else it stays on its way."""
        given = self._input
        given.current_position, given.current_velocity, given.current_acceleration = self.state(now)
        given.target_position = target
        given.minimum_duration = ticks
        if not (self._plan() or self._plan_anew(Synchronization.Time) or self._plan_anew(Synchronization.No)):
            return False
        self.trajectory, self._spare = self._spare, self.trajectory
        self.start = max(now, self.start)
        self._asked = -inf
        return True

    def _plan_anew(self, synchronization: Synchronization) -> bool:
        """The same without stretching: slowed down in motion, a control may take a detour that leaves the range."""
        self._input.minimum_duration = None
        self._input.synchronization = synchronization
        sound = self._plan()
        self._input.synchronization = Synchronization.Time
        return sound

    def _plan(self) -> bool:
        """Whether the spare trajectory now is a sound one."""
        try:
            if self._ruckig.calculate(self._input, self._spare) is not _PLANNED:
                return False
        except RuckigError:
            return False
        extrema = self._spare.position_extrema
        return min(map(_LOWEST, extrema)) >= -_OUTSIDE and max(map(_HIGHEST, extrema)) <= 1 + _OUTSIDE


def make_planner(name: str, profile: RobotProfile) -> Planner:
    """The planner of that name for a robot: ``ruckig``, ``feedforward``, ``minimum_jerk`` or ``cubic``.

    Raises:
        InputError: no such planner.
    """
    from faceimit.robot.feedforward import FeedforwardPlanner
    from faceimit.robot.planners import CubicPlanner, MinimumJerkPlanner

    kinds: dict[str, Callable[[RobotProfile], Planner]] = {
        "ruckig": RuckigPlanner,
        "feedforward": FeedforwardPlanner,
        "minimum_jerk": MinimumJerkPlanner,
        "cubic": CubicPlanner,
    }
    if name not in kinds:
        raise InputError(f"expected a planner among {', '.join(kinds)} but got {name}, choose one of these")
    return kinds[name](profile)
