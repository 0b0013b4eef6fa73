"""Time for the safety filter: is the input still alive, how far may this step go, how far is a blend.

Nothing here reads a clock; times come from the caller, who may hand over a clock that stops, jumps or runs backwards.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Level = Literal["live", "hold", "ease"]


@dataclass
class Watchdog:
    """How old the input is: live, hold (stay where you are) or ease (go to neutral).

    The age is the larger of two, so that no clock can make a dead input look alive: by the caller's clock, and by the
    steps taken since an input time last was a new one.

    Attributes:
        hold_after: s without input until the robot holds.
        ease_after: s without input until it goes to neutral.
    """

    hold_after: float = 0.15
    ease_after: float = 0.30
    _newest: float | None = None
    _waited: float = 0.0

    def look(self, input_time: float | None, now: float, step: float) -> Level:
        """The level now.

        Args:
            input_time: s, when the input of this command was seen; None for a command that had none (it failed). Any
                change counts as a new input; a time in the future is as good as now, once.
            now: s, of the same clock.
            step: s that the filter moves on in this step.
        """
        self._waited += step
        if input_time is not None and math.isfinite(input_time) and input_time != self._newest:
            self._newest, self._waited = input_time, 0.0
        age = self._waited
        if self._newest is not None and math.isfinite(now):
            age = max(age, now - self._newest)
        return "live" if age < self.hold_after else "hold" if age < self.ease_after else "ease"

    def restart(self) -> None:
        """Forget the past: the next command may take `hold_after` to come."""
        self._newest, self._waited = None, 0.0


@dataclass
class StepClock:
    """How many seconds of motion a call is worth.

    Attributes:
        longest: s; a later call is worth no more, so that a robot never jumps after a pause.
        shortest: s; a call that soon is worth nothing yet: its time is counted with the next.
        standing: s; after so long without a command a robot has stopped by itself.
        late, jumped: calls later than `longest`; calls whose clock ran backwards or was not a number.
    """

    longest: float = 0.05
    shortest: float = 2e-4
    standing: float = 0.5
    late: int = 0
    jumped: int = 0
    _last: float = field(default=math.nan)

    def start(self, now: float) -> None:
        """Begin at `now`."""
        self._last = now

    def step(self, now: float) -> tuple[float, bool]:
        """Seconds to move on, 0 if the clock did not run forwards, and whether the robot has stopped meanwhile."""
        passed = now - self._last
        if not math.isfinite(passed) or passed < 0:
            self.jumped += 1
            if math.isfinite(now):
                self._last = now
            return 0.0, False
        if passed < self.shortest:
            return 0.0, False
        self._last = now
        self.late += passed > self.longest
        return min(passed, self.longest), passed > self.standing


@dataclass
class Blend:
    """A smooth way from 0 to 1 (the minimum-jerk one), by the steps taken since it began.

    Attributes:
        seconds: from 0 to 1; 0 for a blend that is over at once.
    """

    seconds: float
    _elapsed: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it is at 1."""
        return self._elapsed >= self.seconds

    def advance(self, step: float) -> None:
        """Let `step` seconds pass."""
        self._elapsed += step

    def mix(self, anchor: np.ndarray, motion: np.ndarray) -> np.ndarray:
        """(3, ..., 30) motion that goes over from rest at `anchor` (..., 30) to `motion` (3, ..., 30)."""
        if self.over:
            return motion
        u, T = self._elapsed / self.seconds, self.seconds
        share = u**3 * (10 - 15 * u + 6 * u**2)
        rate = 30 * u**2 * (1 - u) ** 2 / T
        bend = 60 * u * (1 - u) * (1 - 2 * u) / T**2
        position, velocity, acceleration = motion
        offset = position - anchor
        return np.stack(
            [
                anchor + share * offset,
                rate * offset + share * velocity,
                bend * offset + 2 * rate * velocity + share * acceleration,
            ]
        )
