"""The same loop on a clock that is only counted: as fast as possible, and the same every time.

:func:`play` drives any robot from a recording; :func:`simulate` drives simulated servos and returns what they did, for
any mode, from pictures (:class:`faceimit.runtime.perception.Perception`) or from known controls and scores
(:class:`Given`), which takes no network.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from faceimit.data.crop import CropBox
from faceimit.keyframes.online import OnlineSearch
from faceimit.keyframes.search import SearchParams
from faceimit.robot.drivers import make_driver
from faceimit.robot.profile import RobotProfile
from faceimit.robot.servo import ServoModel
from faceimit.robot.trajectory import Planner, make_planner
from faceimit.runtime.loop import COMMAND_STAGES, Command, Commanding, Decision, Looking, Observers
from faceimit.runtime.modes import Mode
from faceimit.runtime.perception import Percept, Perception
from faceimit.runtime.sources import Picture
from faceimit.runtime.timing import Timer

SOMEWHERE = CropBox(0.0, 0.0, 1.0)
_NO_PICTURE = np.zeros((1, 1, 3), dtype=np.uint8)


class Given:
    """A perception that is told everything: for true expressions, and for networks that ran before.

    Args:
        controls: (T, 30) in table units that show each frame; NaN rows without a face.
        scores: (T,) in [0, 1], NaN without a face.
        fps: of the frames.
        search: of keyframes.
        look_ahead: frames until a score is known.
        look_ahead_ms: how long a keyframe may take to be known after that.
    """

    def __init__(
        self,
        controls: np.ndarray,
        scores: np.ndarray,
        fps: float,
        search: SearchParams,
        look_ahead: int = 0,
        look_ahead_ms: float = 200.0,
    ) -> None:
        self.fps = fps
        self._controls, self._scores = controls, scores
        self._owed, self._search = look_ahead, OnlineSearch(fps, search, look_ahead_ms)
        self._times: list[float] = []
        self.frames = self.faces = self.keyframes = self.refused = 0

    def pictures(self) -> Iterable[Picture]:
        """One for each frame, without content."""
        return (Picture(t, t / self.fps, _NO_PICTURE, t / self.fps) for t in range(len(self._scores)))

    def see(self, picture: Picture) -> Percept:
        """As :meth:`faceimit.runtime.perception.Perception.see`."""
        number = self.frames
        self.frames += 1
        self._times.append(picture.captured)
        face = bool(np.isfinite(self._scores[number]))
        self.faces += face
        return Percept(number, picture.captured, picture.time_s, SOMEWHERE if face else None)

    def judge(self, percept: Percept) -> Percept:
        """As :meth:`faceimit.runtime.perception.Perception.judge`."""
        known = percept.number - self._owed
        scores = ((known, float(self._scores[known])),) if known >= 0 else ()
        keyframes = tuple(frame for _, score in scores for frame in self._search.push(score))
        self.keyframes += len(keyframes)
        return replace(percept, scores=scores, keyframes=keyframes)

    def finish(self) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
        """As :meth:`faceimit.runtime.perception.Perception.finish`."""
        first = max(0, self.frames - self._owed)
        scores = tuple((t, float(self._scores[t])) for t in range(first, self.frames))
        keyframes = tuple(frame for _, score in scores for frame in self._search.push(score))
        keyframes += tuple(self._search.finish())
        self.keyframes += len(keyframes)
        return scores, keyframes

    def controls(self, number: int) -> np.ndarray | None:
        """(30,) of a frame."""
        values = self._controls[number]
        return values if np.isfinite(values).all() else None

    def captured(self, number: int) -> float | None:
        """When a frame was captured."""
        return self._times[number] if number < len(self._times) else None


@dataclass(frozen=True)
class Simulated:
    """What a simulated robot did; N commands of T frames.

    Attributes:
        times: (N,) seconds of the commands, from the first frame.
        targets, planned, sent, positions: (N, 30) in table units: where the plan goes, where it is, what was sent
            within the limits, and where the servos stood at that moment.
        frame_times: (T,) seconds.
        scores: (T,) in [0, 1], NaN without a face or where none came.
        keyframes: numbers of frames.
        retargets: new targets given.
        violations: commands that break a limit.
    """

    times: np.ndarray
    targets: np.ndarray
    planned: np.ndarray
    sent: np.ndarray
    positions: np.ndarray
    frame_times: np.ndarray
    scores: np.ndarray
    keyframes: tuple[int, ...]
    retargets: int
    violations: int

    def at_frames(self, values: np.ndarray) -> np.ndarray:
        """(T, 30) of (N, 30) values at the commands' times, at the frames' times instead."""
        columns = [np.interp(self.frame_times, self.times, column) for column in values.T]
        return np.stack(columns, axis=1)


def play(
    pictures: Iterable[Picture],
    looking: Looking,
    commanding: Commanding,
    rate: float,
    latency_s: float = 0.0,
    tail_s: float = 0.0,
) -> float:
    """Feed pictures at the times they carry, and command in between as :func:`faceimit.runtime.live.drive` does.

    Args:
        pictures: in order of `captured`.
        looking: fresh.
        commanding: started, at the latest when the first picture is asked for.
        rate: commands a second.
        latency_s: how long looking at a picture takes on the counted clock.
        tail_s: how long the robot goes on after the last picture.

    Returns:
        The time at the end.
    """
    period, last = 1.0 / rate, None
    for picture in pictures:
        due = picture.captured + latency_s
        last = due if last is None else _tick(commanding, last, due, period)
        looking.look(picture, partial(_answer, commanding, due, time.perf_counter()))
        last = due
    looking.perception.finish()
    if last is None:
        return 0.0
    return _tick(commanding, last, last + tail_s, period)


def _answer(commanding: Commanding, due: float, began: float, decision: Decision) -> None:
    """Command at once; `began` is when the picture came, on the processor's clock."""
    commanding.decide(decision, due)
    commanding.command(due)
    commanding.answered(decision, due, time.perf_counter() - began)


def _tick(commanding: Commanding, last: float, until: float, period: float) -> float:
    """Command every `period` after `last` and before `until`."""
    while last + period < until - 1e-9:
        last += period
        commanding.command(last)
    return last


class Collector:
    """Keeps all that is needed of a short run."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.frame_times: list[float] = []
        self.scores: dict[int, float] = {}
        self.keyframes: list[int] = []
        self.retargets = 0

    def decided(self, decision: Decision) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        self.frame_times.append(decision.picture.captured)
        self.scores.update(decision.percept.scores)
        self.keyframes += decision.percept.keyframes
        self.retargets += decision.target is not None

    def commanded(self, command: Command) -> None:
        """As :class:`faceimit.runtime.loop.Observer`."""
        self.commands.append(command)

    def close(self) -> None:
        """Nothing is held."""


def simulate(
    perception: Perception | Given,
    pictures: Iterable[Picture],
    mode: Mode,
    profile: RobotProfile,
    planner: str | Planner = "ruckig",
    rate: float = 50.0,
    latency_s: float = 0.0,
    tail_s: float = 0.0,
    seed: int = 0,
) -> Simulated:
    """Drive simulated servos; the same inputs give the same result to the last bit.

    Args:
        perception: fresh, with the keyframe search the mode wants.
        pictures: with `captured` on one clock, in order, at least one.
        mode: fresh.
        profile: of the robot.
        planner: a fresh one, or its name (:func:`faceimit.robot.trajectory.make_planner`).
        rate: commands a second.
        latency_s: as in :func:`play`.
        tail_s: as in :func:`play`.
        seed: of the servos.

    Raises:
        ValueError: no picture.
    """
    collector = Collector()
    observers = Observers([collector])
    timer = Timer(*COMMAND_STAGES)
    with make_driver("simulated", profile, seed=seed) as robot:
        plan = make_planner(planner, profile) if isinstance(planner, str) else planner
        commanding = Commanding(robot, plan, profile, timer, observers)
        looking = Looking(perception, mode, observers)
        play(_starting(pictures, commanding), looking, commanding, rate, latency_s, tail_s)
    if not collector.commands:
        raise ValueError("expected at least one picture")
    return _result(collector, commanding.watch.violations)


def replayed(simulated: Simulated, profile: RobotProfile, rate: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Where the servos stood at a constant rate, higher than that of the commands if need be.

    Args:
        simulated: by :func:`simulate`.
        profile: the same.
        rate: of the result, Hz.
        seed: the same.

    Returns:
        Times (M,) seconds from the first frame on, up to the last command, and positions (M, 30) in table units.
    """
    servos, commands = ServoModel(profile, seed), 0
    times = np.arange(0.0, simulated.times[-1] + 1e-9, 1.0 / rate)
    positions = np.empty((len(times), len(profile.low)))
    for i, now in enumerate(times):
        while commands < len(simulated.times) and simulated.times[commands] <= now:
            servos.command(simulated.sent[commands], float(simulated.times[commands]))
            commands += 1
        positions[i] = servos.position(float(now))
    return times, positions


def _starting(pictures: Iterable[Picture], commanding: Commanding) -> Iterable[Picture]:
    """The pictures; the robot starts with the first."""
    for i, picture in enumerate(pictures):
        if i == 0:
            commanding.start(picture.captured)
        yield picture


def _result(collector: Collector, violations: int) -> Simulated:
    commands = collector.commands
    start = collector.frame_times[0]
    scores = [collector.scores.get(t, float("nan")) for t in range(len(collector.frame_times))]
    return Simulated(
        times=np.array([command.now - start for command in commands]),
        targets=np.stack([command.target for command in commands]),
        planned=np.stack([command.planned for command in commands]),
        sent=np.stack([command.sent for command in commands]),
        positions=np.stack([c.sent if c.measured is None else c.measured for c in commands]),
        frame_times=np.array(collector.frame_times) - start,
        scores=np.array(scores),
        keyframes=tuple(collector.keyframes),
        retargets=collector.retargets,
        violations=violations,
    )
