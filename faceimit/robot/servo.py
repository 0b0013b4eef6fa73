"""A model of the actuators between a command and a face: what a robot adds of its own.

A command waits in a queue from which the controller takes one a cycle, then for the dead time of the bus and the drive.
The drive rounds it to its resolution, smooths it (first-order lag) and follows it within its rate and acceleration; the
joint follows the drive with backlash. The defaults are plausible for actuators of a humanoid face of Ameca's size, from
data sheets of hobby and small industrial servos; none was measured on a robot. All controls share one clock grid, so
that positions do not depend on how often they are asked for.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.profile import RobotProfile

_STEP = 0.002  # s of the simulation


@dataclass(frozen=True)
class ServoParameters:
    """What an actuator is like.

    Attributes:
        dead_time: s between taking a command from the queue and the drive knowing it; 0.03 to 0.06 are usual.
        spread: share by which dead time, lag and backlash differ between controls, drawn from the seed.
        cycle: s after which the controller takes the next command; commands sent faster wait.
        queue: commands that can wait; a further one takes the place of the last, so that the end is never lost.
        lag: s, time constant of the drive's smoothing.
        rate, acceleration: largest, as multiples of the profile's, which are below what the drives do.
        resolution: smallest step, as a share of the range; 1/1024 is ten bits.
        backlash: play of the joint, as a share of the range.
    """

    dead_time: float = 0.045
    spread: float = 0.3
    cycle: float = 0.010
    queue: int = 8
    lag: float = 0.015
    rate: float = 1.2
    acceleration: float = 1.5
    resolution: float = 1 / 1024
    backlash: float = 0.005


class ServoModel:
    """The actuators of one robot.

    Args:
        profile: of the robot; commands beyond its ranges saturate.
        seed: which robot of its kind.
        parameters: the usual if None.

    Attributes:
        overrun: commands that found the queue full.
        dead_time, lag, backlash: (30,) of each control, s, s, units.
    """

    def __init__(self, profile: RobotProfile, seed: int = 0, parameters: ServoParameters | None = None) -> None:
        self.parameters = parameters or ServoParameters()
        self._profile, self._span = profile, profile.high - profile.low
        random = np.random.default_rng(seed)
        differ = 1 + self.parameters.spread * random.uniform(-1, 1, (3, len(profile.low)))
        self.dead_time = self.parameters.dead_time * differ[0]
        self.lag = self.parameters.lag * differ[1]
        self.backlash = self.parameters.backlash * differ[2] * self._span
        self._rate = self.parameters.rate * profile.velocity
        self._acceleration = self.parameters.acceleration * profile.acceleration
        # of a step, worked out once: there are ten of them to a command
        self._share = np.where(self.lag > 0, 1 - np.exp(-_STEP / np.maximum(self.lag, 1e-9)), 1.0)
        self._most, self._twice, self._play = self._acceleration * _STEP, 2 * self._acceleration, self.backlash / 2
        self._latest = float(self.dead_time.max())
        self.reset(profile.neutral, 0.0)

    def reset(self, position: np.ndarray, now: float) -> None:
        """Be at rest at `position` (30,), with nothing in the queue.

        Raises:
            InputError: a value that is not finite.
        """
        if not np.isfinite(position).all():
            raise InputError("expected a finite pose to start from but got one that is not, give all 30 values")
        pose = np.clip(np.asarray(position, dtype=np.float64), self._profile.low, self._profile.high)
        self._known, self._smooth, self._drive, self._joint = pose, pose, pose, pose
        self._speed = np.zeros_like(pose)
        self._start, self._steps = now, 0
        self._queue: deque[tuple[float, np.ndarray]] = deque()
        self._taken: deque[tuple[float, np.ndarray]] = deque()  # when the controller took it, and what it rounds to
        self._next_take, self.overrun = now, 0

    def command(self, values: np.ndarray, now: float) -> None:
        """Send values (30,) at `now`; what came before is simulated up to then. One with a NaN is ignored."""
        self.position(now)
        values = np.array(values, dtype=np.float64)
        if not np.isfinite(values).all():
            return
        if len(self._queue) >= self.parameters.queue:
            self._queue.pop()
            self.overrun += 1
        self._queue.append((now, np.clip(values, self._profile.low, self._profile.high)))

    def position(self, now: float) -> np.ndarray:
        """(30,) where the joints are, in table units; times before the last one asked for give the last one."""
        wanted = math.floor((now - self._start) / _STEP + 1e-6) if math.isfinite(now) else self._steps
        while self._steps < wanted:
            self._steps += 1
            self._advance(self._start + self._steps * _STEP)
        return self._joint.copy()

    @property
    def velocity(self) -> np.ndarray:
        """(30,) units/s of the drives."""
        return self._speed.copy()

    def _advance(self, t: float) -> None:
        self._take(t)
        while self._taken and self._taken[0][0] + self._latest <= t:
            self._known = self._taken.popleft()[1]
        known = self._known
        for taken, values in self._taken:
            known = np.where(taken + self.dead_time <= t, values, known)
        self._smooth = self._smooth + self._share * (known - self._smooth)
        self._drive_to(self._smooth)
        joint = np.minimum(np.maximum(self._joint, self._drive - self._play), self._drive + self._play)
        self._joint = np.minimum(np.maximum(joint, self._profile.low), self._profile.high)

    def _take(self, t: float) -> None:
        """The controller takes one command a cycle."""
        while self._queue and max(self._queue[0][0], self._next_take) <= t:
            sent, values = self._queue.popleft()
            taken = max(sent, self._next_take)
            self._next_take = taken + self.parameters.cycle
            self._taken.append((taken, self._rounded(values)))

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        if self.parameters.resolution <= 0:
            return values
        step = self.parameters.resolution * self._span
        return self._profile.low + np.round((values - self._profile.low) / step) * step

    def _drive_to(self, target: np.ndarray) -> None:
        """One step at no more than the rate, from which it can brake, and no more than the acceleration."""
        error, most = target - self._drive, self._most
        length = np.abs(error)
        # the speed from which steps of `most` less each stop at the target
        stopping = np.sqrt(self._twice * length + (most / 2) ** 2) - most / 2
        speed = np.copysign(np.minimum(np.minimum(self._rate, stopping), length / _STEP), error)
        self._speed = np.minimum(np.maximum(speed, self._speed - most), self._speed + most)
        self._drive = self._drive + self._speed * _STEP
