"""Closed forms of motion under limits of velocity, acceleration and jerk, for any number of controls at once.

A state is position, velocity and acceleration; a change of velocity is the quickest one that ends without acceleration:
jerk, then acceleration at its limit where it gets there, then jerk the other way. All functions work element by element
on arrays of any one shape. Everything is exact (no time step): a state that can stop inside the range can still stop
inside it after any time along its own stop.
"""

from typing import NamedTuple

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.profile import RobotProfile


class State(NamedTuple):
    """Position, velocity, acceleration, in units, units/s, units/s^2."""

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray

    def pick(self, chosen: np.ndarray) -> "State":
        """The elements where `chosen` (bool, the state's shape, or an index) is."""
        return State(self.position[chosen], self.velocity[chosen], self.acceleration[chosen])


class Limits(NamedTuple):
    """Range and largest magnitudes of velocity, acceleration and jerk."""

    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray

    @classmethod
    def of(cls, profile: RobotProfile) -> "Limits":
        """A robot's limits, (30,) each; a control that it lacks has no range but its neutral."""
        low = np.where(profile.mask, profile.low, profile.neutral)
        high = np.where(profile.mask, profile.high, profile.neutral)
        return cls(low, high, profile.velocity, profile.acceleration, profile.jerk)

    def inside(self, position: np.ndarray) -> np.ndarray:
        """A new array of the position (..., 30) cut to the ranges, to be at rest at.

        Raises:
            InputError: a value that is not finite.
        """
        if not np.isfinite(position).all():
            raise InputError("expected a finite pose to start from but got one that is not, measure it again")
        return np.clip(np.asarray(position, dtype=np.float64), self.low, self.high)

    def spread(self, shape: tuple[int, ...]) -> "Limits":
        """The same for states of a larger shape."""
        return Limits(*(np.broadcast_to(values, shape) for values in self))

    def pick(self, chosen: np.ndarray) -> "Limits":
        """The elements where `chosen` is."""
        return Limits(*(values[chosen] for values in self))


class Change(NamedTuple):
    """The quickest change of velocity: three times, and the jerk of the first phase (the third has the opposite)."""

    rise: np.ndarray
    plateau: np.ndarray
    fall: np.ndarray
    jerk: np.ndarray


def change(state: State, velocity: np.ndarray | float, limits: Limits) -> Change:
    """The quickest way from a state to `velocity` without acceleration."""
    v, a, J = state.velocity, state.acceleration, limits.jerk
    missing = velocity - v
    sign = np.where(missing - a * np.abs(a) / (2 * J) < 0, -1.0, 1.0)
    missing, a = missing * sign, a * sign
    peak = np.minimum(np.sqrt(np.maximum(J * missing + a * a / 2, 0.0)), limits.acceleration)
    peak = np.maximum(peak, a)
    left = missing - (2 * peak * peak - a * a) / (2 * J)
    plateau = np.maximum(left, 0.0) / np.maximum(peak, 1e-300)
    return Change((peak - a) / J, np.where(peak > 0, plateau, 0.0), peak / J, sign * J)


def _phase(state: State, jerk: np.ndarray | float, t: np.ndarray) -> State:
    p, v, a = state
    gained = jerk * t
    velocity = v + t * (a + gained / 2)
    return State(p + t * (v + t * (a / 2 + gained / 6)), velocity, a + gained)


def along(state: State, done: Change, seconds: float) -> State:
    """Where a state is after so many seconds of a change of velocity and of what follows it at constant velocity."""
    rise = np.minimum(seconds, done.rise)
    plateau = np.minimum(seconds - rise, done.plateau)
    fall = np.minimum(seconds - rise - plateau, done.fall)
    after = _phase(_phase(_phase(state, done.jerk, rise), 0.0, plateau), -done.jerk, fall)
    rest = seconds - rise - plateau - fall
    ended = seconds >= done.rise + done.plateau + done.fall
    return State(after.position + after.velocity * rest, after.velocity, np.where(ended, 0.0, after.acceleration))


def rendezvous(state: State, velocity: np.ndarray | float, limits: Limits) -> np.ndarray:
    """Where a body of that constant velocity must be now, to be met by the quickest change to its velocity."""
    way = change(state, velocity, limits)
    after = _phase(_phase(_phase(state, way.jerk, way.rise), 0.0, way.plateau), -way.jerk, way.fall)
    return after.position - velocity * (way.rise + way.plateau + way.fall)


def stop_extremes(state: State, limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest position from now until the state has stopped as quickly as it can."""
    p, v, a = state
    way = change(state, 0.0, limits)
    after = _phase(_phase(_phase(state, way.jerk, way.rise), 0.0, way.plateau), -way.jerk, way.fall)
    # braking already harder than it must: it turns before it comes to rest
    sign = np.sign(way.jerk)
    turns = v * sign > 0
    root = np.sqrt(np.maximum(a * a - 2 * way.jerk * v, 0.0))
    turn = np.where(turns, np.minimum((-a * sign - root) / limits.jerk, way.rise), 0.0)
    turned = _phase(state, way.jerk, np.maximum(turn, 0.0)).position
    low = np.minimum(np.minimum(p, after.position), turned)
    return low, np.maximum(np.maximum(p, after.position), turned)


def can_stop(state: State, limits: Limits, slack: float = 0.0) -> np.ndarray:
    """Whether a state is within the limits and can stop without leaving range or limits, to `slack` of each limit."""
    v, a = state.velocity, state.acceleration
    low, high = stop_extremes(state, limits)
    room = slack * (limits.high - limits.low)
    fastest = np.maximum(np.abs(v), np.abs(v + a * np.abs(a) / (2 * limits.jerk)))
    within = (np.abs(a) <= limits.acceleration * (1 + slack)) & (fastest <= limits.velocity * (1 + slack))
    return within & (low >= limits.low - room) & (high <= limits.high + room)


def reachable(state: State, wanted: State, seconds: float, limits: Limits, slack: float = 1e-6) -> np.ndarray:
    """Whether a motion within the limits leads from a state to another in exactly so many seconds.

    Sufficient: True is certain, to `slack` of each limit. It finds every motion of one or two constant jerks, of a jerk
    to the limit of acceleration or velocity and one from it, and any motion that is clear of these limits; so of a
    planner's motion all but some of the shortest moves.
    """
    h, J = seconds, limits.jerk
    p, v, a = state
    # jerk that each of the three demands would need if it were constant
    x = (wanted.acceleration - a) / h
    y = (wanted.velocity - v - a * h) * 2 / h**2
    z = (wanted.position - p - v * h - a * h * h / 2) * 6 / h**3
    rounding = 1e-13 * (np.abs(wanted.position) + np.abs(p) + limits.high - limits.low) * 6 / h**3
    tolerance = slack * J + rounding
    found = _two_jerks(state, (x, y, z), h, limits, tolerance)
    for test in (_any_jerk, _touching):
        if not found.all():
            rest = ~found
            demand = (x[rest], y[rest], z[rest])
            found[rest] = test(state.pick(rest), wanted.pick(rest), demand, h, limits.pick(rest), tolerance[rest])
    return found


def _two_jerks(
    state: State, needed: tuple[np.ndarray, ...], h: float, limits: Limits, tolerance: np.ndarray
) -> np.ndarray:
    """One jerk, or one and then another, solved for the two and the time of the switch."""
    x, y, z = needed
    J = limits.jerk
    bend = x + z - 2 * y
    constant = (np.abs(x - y) <= tolerance) & (np.abs(z - y) <= tolerance)
    safe = np.where(np.abs(bend) <= 1e-9 * J, 1.0, bend)
    first = np.where(constant, x, (x * z - y * y) / safe)
    gap = np.where(np.abs(first - x) <= 1e-9 * J, 1.0, first - x)
    share = np.where(constant, 0.0, (first - y) / gap)  # of the second jerk
    share = np.clip(share, 0.0, 1.0)
    second = np.where(constant, x, first - (first - x) / np.maximum(share, 1e-12))
    less = first - second  # put in again: the solution does not exist where two demands agree and the third does not
    solved = np.abs(first - less * share - x) <= tolerance
    solved &= np.abs(first - less * share**2 - y) <= tolerance
    solved &= np.abs(first - less * share**3 - z) <= tolerance
    switch = _phase(state, first, (1 - share) * h)
    quick = np.maximum(np.abs(first), np.abs(second)) <= J + tolerance
    gentle = np.abs(switch.acceleration) <= limits.acceleration * (1 + 1e-6)
    slow = np.maximum(
        _peak_speed(state, first, (1 - share) * h), _peak_speed(switch, second, share * h)
    ) <= limits.velocity * (1 + 1e-6)
    return solved & quick & gentle & slow


def _peak_speed(state: State, jerk: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Largest speed inside a time of constant jerk, beyond its ends' (0 if there is none)."""
    v, a = state.velocity, state.acceleration
    turns = a * (a + jerk * t) < 0
    return np.where(turns, np.abs(v - a * a / np.where(turns, 2 * jerk, 1.0)), 0.0)


def _any_jerk(
    state: State, wanted: State, needed: tuple[np.ndarray, ...], h: float, limits: Limits, tolerance: np.ndarray
) -> np.ndarray:
    """Any jerk over time: between the two bang-bang extremes, and clear of the other limits whatever it is."""
    x, y, z = (values / limits.jerk for values in needed)
    loose = tolerance / limits.jerk
    highest, has_high = _bang_bang(x, y)
    lowest, has_low = _bang_bang(-x, -y)
    possible = has_high & has_low & (z <= highest + loose) & (z >= -lowest - loose)
    a = (np.abs(state.acceleration + wanted.acceleration) + limits.jerk * h) / 2
    v = (np.abs(state.velocity + wanted.velocity) + a * h) / 2
    return possible & (a <= limits.acceleration) & (v <= limits.velocity)


def _touching(
    state: State, wanted: State, needed: tuple[np.ndarray, ...], h: float, limits: Limits, tolerance: np.ndarray
) -> np.ndarray:
    """Full jerk to the limit of acceleration, or to a velocity, a while there, and full jerk from there."""
    (_, v, a), b, J = state, wanted.acceleration, limits.jerk
    sign, turn = np.where(a < 0, -1.0, 1.0), np.sign(a)
    rise, fall = limits.acceleration - a * sign, limits.acceleration - b * sign
    limit = (b * sign >= 0) & _two_ramps(needed, sign * J, rise / (J * h), -sign * J, fall / (J * h), tolerance)
    slow = (a * b < 0) & (np.abs(v + a * np.abs(a) / (2 * J)) <= limits.velocity * (1 + 1e-6))
    return limit | slow & _two_ramps(needed, -turn * J, np.abs(a) / (J * h), -turn * J, np.abs(b) / (J * h), tolerance)


def _two_ramps(
    needed: tuple[np.ndarray, ...],
    first: np.ndarray,
    first_share: np.ndarray,
    last: np.ndarray,
    last_share: np.ndarray,
    tolerance: np.ndarray,
) -> np.ndarray:
    """Whether a jerk for the first share of the time, none, and another for the last share meet the three demands."""
    x, y, z = needed
    left = 1 - first_share
    meets = (first_share >= 0) & (last_share >= 0) & (last_share <= left + 1e-9)
    meets &= np.abs(first * first_share + last * last_share - x) <= tolerance
    meets &= np.abs(first * (1 - left**2) + last * last_share**2 - y) <= tolerance
    return meets & (np.abs(first * (1 - left**3) + last * last_share**3 - z) <= tolerance)


def _bang_bang(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest third demand that jerks of at most 1 can meet beside the first two, and whether they meet these."""
    length = (1 - x) / 2  # of the middle phase of jerk -1 in [0, 1]
    some = np.maximum(length, 1e-12)
    middle = (1 - y) / (4 * some)  # its distance from the end
    fits = (length >= 0) & (length <= 1) & (middle >= length / 2 - 1e-9) & (middle + length / 2 <= 1 + 1e-9)
    return 1 - 6 * length * middle**2 - length**3 / 2, fits


def beyond(times: np.ndarray, positions: np.ndarray, profile: RobotProfile, slack: float = 1e-6) -> dict[str, int]:
    """How many values of a series of commands break a limit: 0 for samples of any motion that keeps the limits.

    Divided differences are averages of the derivative over the samples they take in, whatever the spacing, so that no
    motion within the limits has a larger one.

    Args:
        times: (T,) s, ascending; of samples closer than 10 us only the first counts.
        positions: (T, ..., 30) table units.
        profile: whose ranges and limits count.
        slack: share of each limit that counts as rounding.

    Returns:
        Counts by ``position``, ``velocity``, ``acceleration``, ``jerk``.
    """
    keep = np.concatenate([[True], np.diff(times) > 1e-5])
    t, p = np.asarray(times)[keep], np.asarray(positions, dtype=np.float64)[keep]
    limits, span = Limits.of(profile), profile.high - profile.low
    room = slack * span
    counts = {"position": int(((p < limits.low - room) | (p > limits.high + room) | ~np.isfinite(p)).sum())}
    shape = (-1,) + (1,) * (p.ndim - 1)
    rounding = 4e-16 * (np.abs(profile.low) + np.abs(profile.high) + span)
    for order, (name, most) in enumerate(
        [("velocity", limits.velocity), ("acceleration", limits.acceleration), ("jerk", limits.jerk)], start=1
    ):
        if len(t) <= order:
            counts[name] = 0
            continue
        steps = (t[order:] - t[:-order]).reshape(shape) / order
        p = np.diff(p, axis=0) / steps
        shortest = np.diff(t)
        shortest = np.min([shortest[i : len(shortest) - order + 1 + i] for i in range(order)], axis=0).reshape(shape)
        rounding_now = rounding * 2**order / shortest**order
        counts[name] = int((np.abs(p) > most * (1 + slack) + rounding_now).sum())
    return counts
