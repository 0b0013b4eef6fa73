"""The last thing before a robot: whatever comes in, what goes out keeps the robot's limits.

:class:`SafetyFilter` takes one command a control cycle and says what to send. It keeps a motion of its own, position,
velocity and acceleration of every control, and moves it on by the time that has passed. A command that this motion can
meet exactly, and from which it could still stop inside the range, is met exactly: a planner's motion goes through
unchanged. Any other is followed as quickly as the limits allow, never faster than the robot could stop for: a step is
between stopping as quickly as possible, which stays inside the range because the last step could do it, and going on as
quickly as possible; both keep the limits of velocity, acceleration and jerk at every instant, so what lies between them
does too, and the step taken is the furthest between them that can still stop in time. Nothing rests on the length of a
step, which may differ from one to the next.

A command is (30,) values, or (3, 30) values, velocities and accelerations as a planner's `step` gives them. With values
alone the velocity is taken from the last two commands, and following lags by some milliseconds where it changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.kinematics import (
    Limits,
    State,
    along,
    can_stop,
    change,
    reachable,
    rendezvous,
    stop_extremes,
)
from faceimit.robot.profile import RobotProfile
from faceimit.robot.watchdog import Blend, StepClock, Watchdog

Mode = Literal["live", "refused", "hold", "ease", "stopped"]

_GRID, _ROUNDS = np.linspace(0, 1, 9)[1:], 3  # how finely a step is chosen: 1/512


@dataclass(frozen=True)
class Safe:
    """What to send.

    Attributes:
        values: (..., 30) table units, inside the ranges and limits.
        mode: ``live``; ``refused`` (the command was not finite: stop at the last sound one); ``hold`` and ``ease``
            (input is stale: stop; go to neutral); ``stopped`` (emergency stop).
        changed: (..., 30) bool, True where `values` is not what was commanded.
        send: False in a dry run: nothing may go to the robot.
        step: s of motion that this command is worth; 0 repeats the last one.
    """

    values: np.ndarray
    mode: Mode
    changed: np.ndarray
    send: bool
    step: float

    @property
    def held(self) -> bool:
        """Whether the robot stops where it is instead of following."""
        return self.mode in {"refused", "hold", "stopped"}

    @property
    def eased(self) -> bool:
        """Whether it goes to neutral because there is no input."""
        return self.mode == "ease"


@dataclass
class Prevented:
    """What a filter kept from the robot: counts of control values (first three), then of commands.

    Attributes:
        range: values commanded outside the range.
        speed: values that would have taken more than the largest velocity to be met.
        motion: other values that limits of acceleration, jerk or braking distance did not let through as they were.
        non_finite: commands with a value that is not finite.
        held, eased: commands answered by holding or easing since input was stale.
        stopped: commands answered by the emergency stop.
        late: commands that came after a pause, worth a shortened step.
        clock: commands whose clock ran backwards or was not a number.
    """

    range: int = 0
    speed: int = 0
    motion: int = 0
    non_finite: int = 0
    held: int = 0
    eased: int = 0
    stopped: int = 0
    late: int = 0
    clock: int = 0


class SafetyFilter:
    """Limits, watchdog, soft start and emergency stop for one robot, or for several at once in a simulation.

    Args:
        profile: of the robot.
        dry_run: everything as usual, but `Safe.send` is False.
        soft_start: s over which the robot goes over from standing to following.
        soft_resume: s, the same after a hold, an ease or a pause of the commands.
        watchdog: when to hold and when to ease; the usual if None.
        neutral_by: s without input at which the robot is at neutral, if its limits let it.

    Attributes:
        prevented: counts.
        commands: how many were answered.
        stopped: whether the emergency stop is latched.
    """

    def __init__(
        self,
        profile: RobotProfile,
        dry_run: bool = False,
        soft_start: float = 1.0,
        soft_resume: float = 0.3,
        watchdog: Watchdog | None = None,
        neutral_by: float = 1.0,
    ) -> None:
        self.profile, self.dry_run = profile, dry_run
        self.prevented, self.commands, self.stopped = Prevented(), 0, False
        self._limits = self._all_limits = Limits.of(profile)
        self._soft_start, self._soft_resume = soft_start, soft_resume
        self._watchdog = watchdog or Watchdog()
        self._ease_seconds = max(neutral_by - self._watchdog.ease_after, 0.1)
        self.start(None, 0.0)

    def start(self, position: np.ndarray | None, now: float) -> None:
        """Be at rest at a pose, and follow from there softly; an emergency stop stays latched.

        Args:
            position: (..., 30) measured pose, cut to the ranges; neutral if None.
            now: s.

        Raises:
            InputError: a value that is not finite.
        """
        pose = self._limits.inside(self.profile.neutral if position is None else position)
        self._all_limits = self._limits.spread(pose.shape)
        self._state = State(pose, np.zeros_like(pose), np.zeros_like(pose))
        self._clock = StepClock()
        self._clock.start(now)
        self._watchdog.restart()
        self._mode: Mode = "live"
        self._last_command, self._last_speed, self._since_command = pose, np.zeros_like(pose), 0.0
        self._go_over(self._soft_start)

    @property
    def state(self) -> State:
        """Position, velocity and acceleration of what is sent, (..., 30) each."""
        return self._state

    def filter(self, command: np.ndarray, now: float, input_time: float | None) -> Safe:
        """What to send for a command.

        Args:
            command: (..., 30) values, or (3, ..., 30) values, velocities and accelerations, in table units.
            now: s.
            input_time: s of the same clock, when the input that the command rests on was seen; None if it failed.
        """
        step, standing = self._clock.step(now)
        if standing:
            self._stand()
        motion, finite = self._read(np.asarray(command, dtype=np.float64), step)
        level = self._watchdog.look(input_time if finite.all() else None, now, step)
        mode: Mode = "stopped" if self.stopped else level if level != "live" else "live" if finite.all() else "refused"
        self._enter(mode)
        self.prevented.non_finite += int((~finite).sum())
        self.prevented.held += mode == "hold"
        self.prevented.eased += mode == "ease"
        self.prevented.stopped += mode == "stopped"
        self.prevented.late, self.prevented.clock = self._clock.late, self._clock.jumped
        return self._send(self._wanted(mode, motion), motion[0], mode, step)

    def stop(self) -> None:
        """Emergency stop: brake as quickly as the limits allow and stay there until :meth:`release`."""
        self.stopped = True

    def release(self) -> None:
        """End an emergency stop; the robot follows softly from where it stands."""
        if self.stopped:
            self.stopped = False
            self._watchdog.restart()

    def neutral_steps(self, now: float, period: float = 0.02, seconds: float = 1.5) -> Iterator[tuple[float, Safe]]:
        """The safe way out: commands to play at the times given, softly to neutral and at rest there.

        An emergency stop stays one: the commands then only brake.

        Args:
            now: s, from which on.
            period: s between commands.
            seconds: of the way to neutral, more where the limits demand it.
        """
        mode: Mode = "stopped" if self.stopped else "ease"
        self._mode = mode
        self._go_over(0.0 if self.stopped else seconds)
        goal = _at_rest(self._anchor if self.stopped else np.broadcast_to(self.profile.neutral, self._anchor.shape))
        self._clock.start(now)
        while not (self._blend.over and np.allclose(self._state, goal, rtol=0, atol=1e-9)):
            now += period
            step, _ = self._clock.step(now)
            yield now, self._send(goal, goal[0], mode, step)

    def _stand(self) -> None:
        """The robot has stopped by itself."""
        rest = np.zeros_like(self._state.position)
        self._state = State(self._state.position, rest, rest)
        self._go_over(self._soft_resume)

    def _go_over(self, seconds: float) -> None:
        """Begin a blend from where the robot can stop."""
        stop = rendezvous(self._state, 0.0, self._all_limits)
        self._anchor, self._blend = np.clip(stop, *self._all_limits[:2]), Blend(seconds)

    def _read(self, command: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
        """The command as (3, ..., 30) motion, and for each robot whether it is finite; else the last that was, at rest.

        Raises:
            InputError: a command of another shape.
        """
        shape = self._state.position.shape
        if command.shape not in {shape, (3, *shape)}:
            raise InputError(f"expected a command of shape {shape} or {(3, *shape)} but got {command.shape}")
        whole = command.shape != shape
        position = command[0] if whole else command
        finite = np.isfinite(command).all(axis=(0, -1) if whole else -1)
        position = np.where(finite[..., None], position, self._last_command)
        self._since_command += step
        motion = _at_rest(position)
        if whole:
            motion[1:] = np.where(finite[..., None], command[1:], 0.0)
        elif step > 0:
            motion[1] = self._speed(position)
        if step > 0:
            self._last_command, self._since_command = position, 0.0
        return motion, finite

    def _speed(self, position: np.ndarray) -> np.ndarray:
        """Velocity of a series of commands now: the smaller of the last two, so that a single step is no motion."""
        speed = (position - self._last_command) / self._since_command
        before, self._last_speed = self._last_speed, speed
        both = np.where(np.sign(speed) == np.sign(before), np.minimum(np.abs(speed), np.abs(before)), 0.0)
        return np.where(both <= self._limits.velocity, np.sign(speed) * both, 0.0)

    def _enter(self, mode: Mode) -> None:
        """Where the mode changes, begin the way over to what it wants."""
        if mode == self._mode:
            return
        if mode == "live" and self._mode != "refused":
            self._go_over(self._soft_start if self._mode == "stopped" else self._soft_resume)
        elif mode in {"hold", "stopped"}:
            self._go_over(0.0)
        elif mode == "ease":
            self._go_over(self._ease_seconds)
        self._mode = mode

    def _wanted(self, mode: Mode, motion: np.ndarray) -> np.ndarray:
        """(3, ..., 30) motion to follow."""
        if mode in {"hold", "stopped"}:
            return _at_rest(self._anchor)
        if mode == "ease":
            return _at_rest(np.broadcast_to(self.profile.neutral, self._anchor.shape))
        return motion

    def _send(self, wanted: np.ndarray, commanded: np.ndarray, mode: Mode, step: float) -> Safe:
        """Move on by `step` towards the motion that is wanted, and compare with the values commanded."""
        if step > 0:
            self._blend.advance(step)
            wanted = self._blend.mix(self._anchor, wanted)
            before, self._state = self._state, self._move(wanted, step)
            self._count(wanted[0], before.position, step)
        values = self._state.position.copy()
        changed = np.abs(values - commanded) > 1e-9 * (1 + np.abs(values))
        self.commands += 1
        return Safe(values, mode, changed, not self.dry_run, step)

    def _move(self, wanted: np.ndarray, step: float) -> State:
        limits = self._all_limits
        motion = _inside(wanted, limits)
        return advance(self._state, State(motion[0], motion[1], motion[2]), step, limits)

    def _count(self, wanted: np.ndarray, before: np.ndarray, step: float) -> None:
        """Count the values that are not what was wanted (..., 30), by what stood against them."""
        limits, altered = self._all_limits, np.abs(self._state.position - wanted) > 1e-9 * (1 + np.abs(wanted))
        outside = np.abs(wanted - np.clip(wanted, limits.low, limits.high)) > 1e-9 * (limits.high - limits.low)
        fast = ~outside & altered & (np.abs(wanted - before) > limits.velocity * step)
        self.prevented.range += int(outside.sum())
        self.prevented.speed += int(fast.sum())
        self.prevented.motion += int((altered & ~outside & ~fast).sum())


def advance(state: State, wanted: State, seconds: float, limits: Limits) -> State:
    """The state after so many seconds on the way to a motion that is wanted then; all of one shape.

    Args:
        state: within the limits and able to stop inside the range.
        wanted: finite, inside the range and the largest velocity and acceleration.
        seconds: more than 0.
        limits: of the same shape.

    Returns:
        `wanted` where a motion within the limits leads there and can stop from there, else what comes nearest; the
        state is again able to stop inside the range.
    """
    met = reachable(state, wanted, seconds, limits) & can_stop(wanted, limits, 1e-9)
    if met.all():
        return wanted
    result = State(*(values.copy() for values in wanted))
    missed = ~met
    followed = _follow(state.pick(missed), wanted.pick(missed), seconds, limits.pick(missed))
    for whole, part in zip(result, followed, strict=True):
        whole[missed] = part
    return result


def _follow(state: State, wanted: State, seconds: float, limits: Limits) -> State:
    """Between stopping and going on as quickly as possible, (n,) each: as far on as still can stop, and in time."""
    stop = along(state, change(state, 0.0, limits), seconds)
    sign = np.where(wanted.position >= rendezvous(stop, wanted.velocity, limits), 1.0, -1.0)
    push = along(state, change(state, sign * limits.velocity, limits), seconds)
    wall = np.where(sign > 0, limits.high, -limits.low)
    spread = limits.spread((len(_GRID), len(sign)))
    columns = np.arange(len(sign))
    low, high = np.zeros(len(sign)), np.ones(len(sign))
    for _ in range(_ROUNDS):
        shares = low + (high - low) * _GRID[:, None]
        mixed = _mixed(stop, push, shares)
        ahead = sign * (rendezvous(mixed, wanted.velocity, spread) - wanted.position)
        lowest, highest = stop_extremes(mixed, spread)
        sound = (ahead <= 0) & (np.where(sign > 0, highest, -lowest) <= wall)
        count = np.logical_and.accumulate(sound, axis=0).sum(axis=0)  # the first so many are
        high = shares[np.minimum(count, len(_GRID) - 1), columns]
        low = np.where(count > 0, shares[np.maximum(count - 1, 0), columns], low)
    position, velocity, acceleration = _mixed(stop, push, low)
    return State(np.clip(position, limits.low, limits.high), velocity, acceleration)  # rounding may add up at an end


def _mixed(stop: State, push: State, shares: np.ndarray) -> State:
    return State(*(a + shares * (b - a) for a, b in zip(stop, push, strict=True)))


def _at_rest(position: np.ndarray) -> np.ndarray:
    """(3, ...) motion that stays at a position (...)."""
    rest = np.zeros_like(position)
    return np.stack([position, rest, rest])


def _inside(motion: np.ndarray, limits: Limits) -> np.ndarray:
    """A motion (3, ..., 30) cut to the limits; what is commanded outside the range is wanted at rest at its end."""
    position = np.clip(motion[0], limits.low, limits.high)
    inside = np.abs(position - motion[0]) <= 1e-9 * (limits.high - limits.low)  # else rounding of the planner's
    velocity = np.where(inside, np.clip(motion[1], -limits.velocity, limits.velocity), 0.0)
    acceleration = np.where(inside, np.clip(motion[2], -limits.acceleration, limits.acceleration), 0.0)
    return np.stack([position, velocity, acceleration])
