"""Stand-ins for a deployment: a bundle without networks, and a robot that can be unplugged."""

from dataclasses import dataclass

import numpy as np

from faceimit.face.controls import NEUTRAL
from faceimit.keyframes.search import SearchParams
from faceimit.robot.drivers.base import Driver
from tests.faces import picture

LOOK_AHEAD = 3


def moving(count=90, gone=(), period=15):
    """Pictures of a square face whose grey changes every ``period`` frames; the middle pixel tells the controls."""
    images = [picture(80, 60, side=0 if t in gone else 60) for t in range(count)]
    for t, image in enumerate(images):
        if t not in gone:
            image[55:65, 75:85] = 60 + 120 * (t // period % 2)
    return images


class FakeStream:
    """A score of 1 where the middle of the crop changes, known three frames later."""

    def __init__(self):
        self.before, self.owed = None, []

    def push(self, crop, missing=0):
        if crop is None:
            owed, self.owed, self.before = self.owed, [], None
            return [*owed, float("nan")]
        grey = float(crop[60:68, 60:68].mean())
        change = 0.0 if self.before is None else min(1.0, abs(grey - self.before) / 100)
        self.before = grey
        self.owed.append(change)
        return [self.owed.pop(0)] if len(self.owed) > LOOK_AHEAD else []

    def finish(self):
        owed, self.owed = self.owed, []
        return owed


class FakeBundle:
    """A bundle whose first control follows the middle of the crop; ``broken`` readings are NaN."""

    crop_size, look_ahead, search, robot = 128, LOOK_AHEAD, SearchParams(), "ameca"
    has_controls, has_landmarks = True, False

    def __init__(self, broken=lambda number: False):
        self.reads, self._broken = 0, broken

    def score_stream(self, fps=25.0):
        return FakeStream()

    def controls(self, crop):
        self.reads += 1
        if self._broken(self.reads):
            return np.full(len(NEUTRAL), np.nan)
        values = NEUTRAL.copy()
        values[0] = crop[60:68, 60:68].mean() / 255
        return values


@dataclass(eq=False, kw_only=True)
class FakeRobot(Driver):
    """Remembers what it was sent; ``gone`` says at which times it is away, ``raises`` at which command it breaks."""

    gone: object = None
    raises: int = -1
    pause: object = None

    def __post_init__(self):
        self.pause = lambda seconds: None
        self.log, self.left = [], False
        super().__post_init__()

    def _connect(self):
        pass

    def _transmit(self, values, now):
        if len(self.log) == self.raises:
            self.raises = -1
            raise RuntimeError("the bus is on fire")
        if self.gone is not None and self.gone(now):
            return False
        self.log.append((now, values.copy()))
        return True

    def _disconnect(self):
        self.left = True
