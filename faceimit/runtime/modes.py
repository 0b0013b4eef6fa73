"""What the robot is told to show, and when: the modes of imitation behind one interface.

* ``keyframes``: only at keyframes, what the face showed there. ``at="peak"`` takes the frame of the fastest change, as
  the paper does; ``apex`` the settled expression after it. Both are known at the same moment, because the search waits
  its look-ahead after the peak in either case, so the apex costs no delay.
* ``streaming``: every frame.
* ``uniform``: every 1/N s.
* ``hybrid``: every frame, smoothed where the face rests.

Which target to send at a keyframe: the apex. Four rendered people through simulated servos (30 fps, readings with 1 %
jitter, keyframes known 200 ms late; `experiments/imitation/`): with the apex the robot shows what the person settled in
with a mean-centred cosine of 0.93 after its lag of 389 ms; with the peak, the expression half-way, it is 0.71 after
435 ms. ``hybrid`` does not wait for keyframes: 0.97 after 159 ms, with less jerk than any other mode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from faceimit.errors import InputError
from faceimit.face.controls import PARTS, SPAN, did_you_mean
from faceimit.keyframes.search import At
from faceimit.runtime.perception import Percept

FORGET_S = 0.5  # after a pause of so long the face is looked at anew
_PARTS = tuple(np.array(indices) for indices in PARTS.values())


@dataclass(frozen=True)
class Target:
    """Where the robot is to go.

    Attributes:
        values: (30,) in table units.
        number: of the frame they were read from.
        captured: when that frame was captured, seconds.
        keyframe: it is shown because that frame is a keyframe.
        arrive: when to be there, seconds; None: as soon as the robot's limits allow.
    """

    values: np.ndarray
    number: int
    captured: float
    keyframe: bool
    arrive: float | None = None


class Seen(Protocol):
    """What a mode may ask about recent frames."""

    def controls(self, number: int) -> np.ndarray | None:
        """(30,) of a recent frame, None where there are none."""
        ...

    def captured(self, number: int) -> float | None:
        """When it was captured."""
        ...


class Mode(Protocol):
    """Turns percepts into targets.

    Attributes:
        name: one of :data:`MODES`.
        at: which frame of a change counts as its keyframe.
        planner: of the motion to its targets (:func:`faceimit.robot.trajectory.make_planner`).
        waits: for scores and keyframes; a mode that does not is asked as soon as the face is found, and its target goes
            to the robot while the picture is scored.
    """

    name: str
    at: At
    planner: str
    waits: bool

    def push(self, percept: Percept, seen: Seen) -> Target | None:
        """The next target, None to keep the last; the percept has scores and keyframes if the mode `waits`."""
        ...


class Keyframes:
    """Targets at keyframes only; a face that appears is shown as it is, not only when it first changes."""

    name, planner, waits = "keyframes", "ruckig", True

    def __init__(self, at: At = "apex") -> None:
        self.at, self._met = at, False

    def push(self, percept: Percept, seen: Seen) -> Target | None:
        """As :class:`Mode`."""
        if percept.box is None:
            self._met = False
        elif not self._met:
            first = _target(percept.number, seen, keyframe=False)
            self._met = first is not None
            return first
        return _target(percept.keyframes[-1], seen, keyframe=True) if percept.keyframes else None


class Streaming:
    """A target at every frame."""

    name, planner, waits = "streaming", "ruckig", False
    at: At = "peak"

    def push(self, percept: Percept, seen: Seen) -> Target | None:
        """As :class:`Mode`."""
        return _target(percept.number, seen, keyframe=False)


class Uniform:
    """A target every 1/rate seconds.

    Args:
        rate: targets a second.
    """

    name, planner, waits = "uniform", "ruckig", False
    at: At = "peak"

    def __init__(self, rate: float = 5.0) -> None:
        if not rate > 0:
            raise InputError(f"expected a rate above 0 targets a second but got {rate}, try 5")
        self._step, self._due = 1.0 / rate, -np.inf

    def push(self, percept: Percept, seen: Seen) -> Target | None:
        """As :class:`Mode`."""
        if percept.captured < self._due - 1e-6:
            return None
        # A camera that paused is not made up for; a clock that went back starts anew.
        late = percept.captured - self._due > self._step
        self._due = (percept.captured if late else self._due) + self._step
        return _target(percept.number, seen, keyframe=False)


class Hybrid:
    """Movement is followed at once, rest is held.

    Readings pass a low-pass filter whose cut-off opens with the speed of the face part a control belongs to (the idea
    of the 1 euro filter, Casiez et al., CHI 2012, with the evidence of all controls of a part pooled): what moves is
    let through with a few milliseconds of delay, what only trembles is not. Keyframes are found and reported, but not
    waited for. Meant for :class:`faceimit.robot.feedforward.FeedforwardPlanner`.

    Args:
        at: which frame of a change counts.
        rest_hz: cut-off at rest.
        gain_hz: how much it opens with the speed, Hz for one range a second.
        speed_s: time constant with which the speed is measured.
    """

    name, planner, waits = "hybrid", "feedforward", False

    def __init__(self, at: At = "apex", rest_hz: float = 1.0, gain_hz: float = 20.0, speed_s: float = 0.05) -> None:
        self.at, self._rest_hz, self._gain_hz, self._speed_s = at, rest_hz, gain_hz, speed_s
        self._shown: np.ndarray | None = None
        self._last = self._speed = np.zeros_like(SPAN)
        self._before = 0.0

    def push(self, percept: Percept, seen: Seen) -> Target | None:
        """As :class:`Mode`."""
        values = seen.controls(percept.number)
        if values is None:
            self._shown = self._shown if percept.box is not None else None
            return None
        elapsed = percept.captured - self._before
        if self._shown is None or not 0 < elapsed < FORGET_S:
            self._shown, self._speed = values, np.zeros_like(values)
        else:
            speed = (values - self._last) / SPAN / elapsed
            self._speed = self._speed + _share(1 / self._speed_s, elapsed) * (speed - self._speed)
            cutoff = self._rest_hz + self._gain_hz * activity(self._speed)
            self._shown = self._shown + _share(2 * np.pi * cutoff, elapsed) * (values - self._shown)
        self._last, self._before = values, percept.captured
        return Target(self._shown, percept.number, percept.captured, keyframe=False)


def activity(speed: np.ndarray) -> np.ndarray:
    """(30,) how fast each control's part of the face moves: root mean square of the speeds (30,) in the part."""
    squares, result = speed**2, np.empty_like(speed)
    for indices in _PARTS:
        result[indices] = np.sqrt(squares[indices].mean())
    return result


def _share(rate: np.ndarray | float, seconds: float) -> np.ndarray:
    """How much of the way to its input a first-order low-pass of this rate (1/s) goes in so many seconds."""
    return 1.0 - np.exp(-np.asarray(rate) * seconds)


MODES: dict[str, Callable[..., Mode]] = {
    "keyframes": Keyframes,
    "streaming": Streaming,
    "uniform": Uniform,
    "hybrid": Hybrid,
}


def make_mode(name: str, at: At = "apex", rate: float = 5.0) -> Mode:
    """A mode by its name.

    Args:
        name: one of :data:`MODES`.
        at: frame of a change that is shown, of modes that use keyframes.
        rate: targets a second, of ``uniform``.

    Raises:
        InputError: an unknown mode.
    """
    if name not in MODES:
        raise InputError(f"unknown mode {name!r}{did_you_mean(name, MODES)}, choose one of {', '.join(MODES)}")
    if name == "uniform":
        return Uniform(rate)
    return Streaming() if name == "streaming" else MODES[name](at)


def _target(number: int, seen: Seen, keyframe: bool) -> Target | None:
    values, captured = seen.controls(number), seen.captured(number)
    return None if values is None or captured is None else Target(values, number, captured, keyframe)
