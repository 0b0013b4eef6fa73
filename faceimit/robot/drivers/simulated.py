"""A simulated robot: every control behind a servo with rate, acceleration, dead time, backlash and a command queue."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from faceimit.robot.drivers.base import INTERNAL, Driver
from faceimit.robot.servo import ServoModel

if TYPE_CHECKING:
    from faceimit.data.synthetic.robot import RobotRenderer


REST = 5.0  # seconds in which every servo has come to rest


def _no_wait(seconds: float) -> None:
    """Simulated time passes by itself."""


@dataclass(eq=False, kw_only=True)
class Simulated(Driver):
    """Servos and, on request, a picture of the face they show.

    Attributes:
        seed: of the servos' differences.
    """

    seed: int = 0
    pause: object = field(metadata=INTERNAL, repr=False, default=_no_wait)  # type: ignore[assignment]
    _servos: ServoModel | None = field(init=False, repr=False, default=None)
    _moved: float | None = field(init=False, repr=False, default=None)
    _renderer: "RobotRenderer | None" = field(init=False, repr=False, default=None)

    def picture(self, size: int = 128) -> np.ndarray:
        """(S, S, 3) uint8 RGB of the virtual robot as its servos stand.

        Args:
            size: side S in pixels.
        """
        if self._renderer is None or self._renderer.size != size:
            from faceimit.data.synthetic.robot import RobotRenderer

            self._renderer = RobotRenderer(size)
        pose = self._measure(self._now)
        return self._renderer.render((self.profile.neutral if pose is None else pose)[None])[0]

    def _connect(self) -> None:
        self._servos, self._moved = ServoModel(self.profile, seed=self.seed), None

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        self._at(now).command(values, now)
        return True

    def _measure(self, now: float) -> np.ndarray | None:
        return None if self._servos is None else self._at(now).position(now)

    def _disconnect(self) -> None:
        """The servos stay where they are, to be looked at."""

    def _at(self, now: float) -> ServoModel:
        """The servos, which have come to rest where nothing was asked of them for long, whatever the clock says."""
        assert self._servos is not None
        if self._moved is None:
            self._servos.reset(self.profile.neutral, now)
        elif abs(now - self._moved) > REST:
            self._servos.reset(self._servos.position(self._moved + REST), now)
        self._moved = now
        return self._servos
