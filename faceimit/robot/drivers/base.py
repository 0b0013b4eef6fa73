"""What every driver keeps to: limits on by default, a soft start, and a robot that rests at neutral when it is left.

A driver is a context manager::

    with make_driver("osc", profile, port=9000) as driver:
        sent = driver.send(values, now)

Times are seconds of a monotonic clock that the caller reads, so that a run can be repeated. ``send`` never waits for a
robot and never raises because it is gone: it returns what the robot was told last, and when the robot is back it starts
from there (or from the measured pose), softly. Leaving the block, also by an exception, eases to neutral and
disconnects.
"""

import importlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.drivers.options import in_range
from faceimit.robot.limits import Safe, SafetyFilter
from faceimit.robot.profile import RobotProfile

LOGGER = logging.getLogger(__name__)
LOST = 0.5  # seconds after which a robot that is gone is no longer waited for on the way to neutral
STEADY = 2.0  # seconds without a loss after which a robot that was gone is said to be back
LONGEST_WAY = 10.0  # seconds to neutral at most; the slowest profile needs a fifth of it
INTERNAL = {"internal": True}  # metadata of a field that is no option


@dataclass
class Counts:
    """What a driver has done so far.

    Attributes:
        sent: commands handed to the robot.
        undelivered: commands that were not, because the robot was gone.
        refused: commands with a value that is not finite.
        returned: times the robot came back.
    """

    sent: int = 0
    undelivered: int = 0
    refused: int = 0
    returned: int = 0


@dataclass(eq=False, kw_only=True)
class Driver(ABC):
    """A way to a robot. Subclasses write ``_connect``, ``_transmit`` and ``_disconnect``; options are their fields.

    Attributes:
        profile: of the robot.
        limits: keep speed, acceleration and jerk of the profile; ranges are kept always.
        dry_run: connect to nothing and send nothing.
        rate: commands a second on the way to neutral.
        neutral_seconds: of the way to neutral, more where the limits demand it.
        pause: waits some seconds.
        counts: what it has done.
        safety: the limits, with counts of what they prevented.
        safe: what the limits made of the last command, None without limits.
    """

    needs: ClassVar[tuple[str, ...]] = ()  # modules of the extra [robots]
    wraps: ClassVar[bool] = False  # passes commands on to another driver, its field `inner`

    profile: RobotProfile = field(metadata=INTERNAL, repr=False, kw_only=False)
    limits: bool = True
    dry_run: bool = False
    rate: float = 50.0
    neutral_seconds: float = 1.5
    pause: Callable[[float], None] = field(metadata=INTERNAL, repr=False, default=time.sleep)
    counts: Counts = field(init=False, repr=False, default_factory=Counts)
    safety: SafetyFilter = field(init=False, repr=False)
    safe: Safe | None = field(init=False, repr=False, default=None)
    _told: np.ndarray | None = field(init=False, repr=False, default=None)
    _now: float = field(init=False, repr=False, default=0.0)
    _open: bool = field(init=False, repr=False, default=False)
    _away: bool = field(init=False, repr=False, default=False)
    _missed: float | None = field(init=False, repr=False, default=None)  # when a loss that was said went on last

    def __post_init__(self) -> None:
        in_range(self.rate, 5.0, 1000.0, "option rate")
        in_range(self.neutral_seconds, 0.0, LONGEST_WAY / 2, "option neutral_seconds")
        self.safety = SafetyFilter(self.profile, dry_run=self.dry_run)
        for module in () if self.dry_run else self.needs:
            importlib.import_module(module)

    @abstractmethod
    def _connect(self) -> None:
        """Reach the robot.

        Raises:
            InputError: it cannot be reached, and what to do about it.
        """

    @abstractmethod
    def _transmit(self, values: np.ndarray, now: float) -> bool:
        """Hand values (30,) inside their ranges to the robot without waiting for it; False if it is gone."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Let go of the robot; also after ``_connect`` has failed half-way."""

    def _measure(self, now: float) -> np.ndarray | None:
        """Pose (30,) of the robot, None where it does not tell."""
        return None

    def _keep_still(self) -> None:
        """See to it that the robot stays where it is once commands end: called on leaving after an emergency stop."""
        return

    def __enter__(self) -> Self:
        if self._open:
            raise InputError("this driver is already connected, leave its with block first")
        self._told = self.safe = self._missed = None
        self._away = False
        try:
            self._acquire()
        except BaseException:
            self._release()
            raise
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ease to neutral and disconnect; a second time it does nothing.

        After an emergency stop the robot only brakes; one that was sent nothing is left as it is.
        """
        if not self._open:
            return
        self._open = False
        try:
            if self._told is not None:
                self._ease(self._now)
            if self.safety.stopped and not self.dry_run:
                self._keep_still()
        finally:
            self._release()

    def send(self, command: np.ndarray, now: float, input_time: float | None = None) -> np.ndarray:
        """Send a command within the limits and return what the robot was told, (30,).

        Args:
            command: (30,) values in table order and units, or (3, 30) values, velocities and accelerations, as planners
                give them. One that is not finite is refused: the robot brakes and holds.
            now: seconds, of a monotonic clock.
            input_time: when what the command was made from was seen, on the same clock; by default `now`. The robot
                holds and then eases to neutral when it gets old.

        Raises:
            InputError: another shape, or the driver is not connected.
        """
        self._check_open()
        command = np.asarray(command, dtype=np.float64)
        size = len(self.profile.neutral)
        if command.shape not in {(size,), (3, size)}:
            raise InputError(f"expected a command of shape ({size},) or (3, {size}) but got {command.shape}")
        self._now = now
        if self._told is None or self._away:
            self._begin(now)
        self.counts.refused += not np.isfinite(command).all()
        return self._deliver(self._limited(command, now, now if input_time is None else input_time), now)

    def measured(self, now: float) -> np.ndarray | None:
        """Pose (30,) of the robot in table units, None where it does not tell or is gone."""
        return self._measure(now) if self._open and not self.dry_run else None

    def neutral(self, now: float) -> float:
        """Ease to neutral from where the robot is, waiting on the way, and return the time when it is there.

        Raises:
            InputError: the driver is not connected.
        """
        self._check_open()
        return self._ease(now)

    def stop(self) -> None:
        """Emergency stop: from the next command on the robot brakes and stays there, on leaving too."""
        self.safety.stop()

    def release(self) -> None:
        """End an emergency stop; the robot follows softly from where it stands."""
        self.safety.release()

    @property
    def away(self) -> bool:
        """True from the first command that the robot did not get to the next that it does."""
        return self._away

    def _check_open(self) -> None:
        if not self._open:
            raise InputError("this driver is not connected, use it in a with block")

    def _acquire(self) -> None:
        if not self.dry_run:
            self._connect()

    def _release(self) -> None:
        if not self.dry_run:
            self._disconnect()

    def _carry(self, values: np.ndarray, now: float) -> bool:
        return self.dry_run or self._transmit(values, now)

    def _begin(self, now: float) -> None:
        """Start, also again, from the measured pose, or from what the robot was told last, or from neutral."""
        pose = None if self.dry_run else self._measure(now)
        if pose is None:
            pose = self.profile.neutral if self._told is None else self._told
        self._told = self.profile.clip(pose)
        self.safety.start(self._told, now)

    def _limited(self, command: np.ndarray, now: float, input_time: float) -> np.ndarray:
        """(30,) what may be sent for a command."""
        assert self._told is not None
        if self.limits or self.safety.stopped:
            self.safe = self.safety.filter(command, now, input_time)
            return self.profile.clip(self.safe.values)
        values = command if command.ndim == 1 else command[0]
        return self.profile.clip(values) if np.isfinite(values).all() else self._told

    def _deliver(self, values: np.ndarray, now: float) -> np.ndarray:
        if self._carry(values, now):
            self.counts.sent += 1
            self.counts.returned += self._away
            self._told, self._away = values, False
        else:
            self.counts.undelivered += 1
            self._away = True
        self._say(now)
        assert self._told is not None
        return self._told.copy()

    def _say(self, now: float) -> None:
        """One line when the robot goes and one when it is back to stay: a bad connection must not fill the screen."""
        if self._away:
            if self._missed is None:
                LOGGER.warning("the robot is gone: commands are dropped until it is back")
            self._missed = now
        elif self._missed is not None and not 0 <= now - self._missed < STEADY:
            LOGGER.warning("the robot is back")
            self._missed = None

    def _ease(self, now: float) -> float:
        """Go to neutral, or brake after an emergency stop; a robot that is gone is waited for a moment."""
        if self._told is None or self._away or not self.limits:
            self._begin(now)
        period, lost = 1.0 / self.rate, 0
        steps = self.safety.neutral_steps(now, period, self.neutral_seconds)
        for _ in range(round(LONGEST_WAY * self.rate)):
            at, safe = next(steps, (now, None))
            if safe is None or lost > LOST * self.rate:
                break
            self.pause(period)
            self._deliver(self.profile.clip(safe.values), at)
            now, lost = at, lost + 1 if self._away else 0
            if self._away:
                self._begin(now)
                steps = self.safety.neutral_steps(now, period, self.neutral_seconds)
        self._now = now
        return now
