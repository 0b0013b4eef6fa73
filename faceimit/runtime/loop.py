"""The loop's two halves: looking at pictures, and commanding the robot. Live and simulated runs are made of these.

Looking takes as long as it takes and may miss pictures; commanding goes on at its own rate whatever looking does. The
two share one thing: the latest decision (:class:`Decision`). Neither reads a clock.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from faceimit.robot.profile import RobotProfile
from faceimit.robot.trajectory import Planner
from faceimit.runtime.modes import Mode, Target
from faceimit.runtime.perception import Percept
from faceimit.runtime.sources import Picture
from faceimit.runtime.timing import Timer
from faceimit.runtime.watch import LimitWatch

COMMAND_STAGES = ("plan", "send", "end_to_end", "keyframe_to_command")
NEVER = float("-inf")
SHOWN = 512  # targets that are remembered, for keyframes known later


class Robot(Protocol):
    """What of a driver (:mod:`faceimit.robot.drivers`) the loop needs."""

    def send(self, command: np.ndarray, now: float, input_time: float | None = None) -> np.ndarray:
        """Send (3, 30) values, velocities and accelerations within the limits, return what was sent (30,)."""
        ...

    def measured(self, now: float) -> np.ndarray | None:
        """Pose (30,) of the robot, None where it does not tell."""
        ...


@dataclass(frozen=True)
class Decision:
    """What looking at one picture led to.

    Attributes:
        percept: what was seen.
        picture: the picture itself.
        target: a new target, None to keep the last.
        score: of the youngest frame whose score is known, NaN before.
        keyframes: (number, seconds of its capture) of frames that turned out to be keyframes since the last decision.
    """

    percept: Percept
    picture: Picture
    target: Target | None
    score: float
    keyframes: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        now: seconds.
        target: (30,) where the planner is going.
        planned: (30,) where the planner is.
        sent: (30,) what the driver says it sent.
        measured: (30,) where the robot says it is, None where it does not tell.
        holding: the watchdog holds or eases, for want of a face to imitate.
    """

    now: float
    target: np.ndarray
    planned: np.ndarray
    sent: np.ndarray
    measured: np.ndarray | None
    holding: bool


class Observer(Protocol):
    """Sees all that happens, to keep or to show it. Must not take long; what it raises ends its watching alone."""

    def decided(self, decision: Decision) -> None:
        """A picture was looked at."""
        ...

    def commanded(self, command: Command) -> None:
        """A command was sent."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


@dataclass
class Observers:
    """All observers of a run; one that fails is noted and left out, for the robot must not stop for it."""

    observers: list[Observer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tell(self, what: str, *content: Any) -> None:
        """Call `what` of every observer."""
        for observer in list(self.observers):
            try:
                getattr(observer, what)(*content)
            except Exception as error:
                self.observers.remove(observer)
                self.notes.append(f"{type(observer).__name__} stopped: {' '.join(str(error).split())}")


class Perceiver(Protocol):
    """What :class:`faceimit.runtime.perception.Perception` and its stand-ins do."""

    def see(self, picture: Picture) -> Percept:
        """Find the face in the next picture."""
        ...

    def judge(self, percept: Percept) -> Percept:
        """The same with its scores and keyframes."""
        ...

    def finish(self) -> tuple[tuple[tuple[int, float], ...], tuple[int, ...]]:
        """Scores still owed, (number, score), and the keyframes decided by the end."""
        ...

    def controls(self, number: int) -> np.ndarray | None:
        """(30,) of a recent frame, None where there are none."""
        ...

    def captured(self, number: int) -> float | None:
        """When it was captured."""
        ...


class Looking:
    """From pictures to decisions."""

    def __init__(self, perception: "Perceiver", mode: Mode, observers: Observers) -> None:
        self.perception, self._mode, self._observers = perception, mode, observers
        self._score = float("nan")
        self._proven: tuple[tuple[int, float], ...] = ()

    def look(self, picture: Picture, hand: Callable[[Decision], None]) -> None:
        """Look at the next picture.

        Args:
            picture: in order.
            hand: gets the decision as soon as there is one: before the picture is scored, if the mode does not wait
                for that.
        """
        percept = self.perception.see(picture)
        target = None
        if not self._mode.waits:
            target = self._mode.push(percept, self.perception)
            hand(Decision(percept, picture, target, self._score, self._proven))
        percept = self.perception.judge(percept)
        if percept.scores:
            self._score = percept.scores[-1][1]
        times = ((number, self.perception.captured(number)) for number in percept.keyframes)
        self._proven = tuple((number, captured) for number, captured in times if captured is not None)
        if self._mode.waits:
            target = self._mode.push(percept, self.perception)
            hand(Decision(percept, picture, target, self._score, self._proven))
        self._observers.tell("decided", Decision(percept, picture, target, self._score, self._proven))


class Commanding:
    """From decisions to commands.

    Args:
        robot: an entered driver.
        planner: of its profile.
        profile: of the robot.
        timer: with :data:`COMMAND_STAGES`.
        observers: told of every command.

    Attributes:
        commands: sent so far.
        first: when the first was sent, seconds.
        holds: times the watchdog began to hold, from the first face on.
        watch: limits as they were kept.
    """

    def __init__(
        self, robot: Robot, planner: Planner, profile: RobotProfile, timer: Timer, observers: Observers
    ) -> None:
        self._robot, self._planner, self._timer, self._observers = robot, planner, timer, observers
        self.watch = LimitWatch(profile)
        self._target = profile.neutral.copy()
        self._resting: np.ndarray | None = None
        self._input_time = NEVER
        self.commands = self.holds = 0
        self.first = NEVER
        self._holding = self._adrift = self._met = False
        self._shown: deque[tuple[int, float]] = deque(maxlen=SHOWN)
        self._unseen: list[tuple[int, float]] = []
        self._last, self._sent = NEVER, self._target

    @property
    def sent(self) -> np.ndarray:
        """(30,) what was sent last; before the first command where the robot is, or neutral if it does not tell."""
        return self._sent

    def start(self, now: float) -> None:
        """Begin where the robot is, or at neutral where it does not tell."""
        pose = self._robot.measured(now)
        if pose is not None and np.isfinite(pose).all():
            self._sent = pose
        self._planner.reset(self._sent, now)
        self._input_time = now

    def decide(self, decision: Decision, now: float) -> None:
        """Take over a decision; a picture without a face is no input."""
        if decision.percept.box is not None:
            self._input_time, self._met = decision.picture.captured, True
        if decision.target is not None:
            self.aim(decision.target.values, now, decision.target.arrive)

    def aim(self, values: np.ndarray, now: float, arrive: float | None = None) -> None:
        """Go to values (30,); what is not finite is left aside."""
        with self._timer.stage("plan"):
            if self._planner.retarget(values, now, arrive) is not False:
                self._target = np.array(values)

    def rest(self, values: np.ndarray, now: float, arrive: float) -> None:
        """Go to values that need no face to be seen any more, from wherever the robot is and whatever it was told."""
        self._input_time = now
        if self._resting is None or not np.array_equal(values, self._resting):
            self._resting = values
            self.aim(values, now, arrive)

    def command(self, now: float) -> Command:
        """Send where the planner is now."""
        if now < self._last:  # the clock went back: a plan that begins in the future would leap
            self._planner.reset(self._sent, now)
            self._adrift = True
        with self._timer.stage("plan"):
            motion = np.asarray(self._planner.step(now))
        with self._timer.stage("send"):
            sent = self._robot.send(motion, now, self._input_time)
        if not self.commands:
            self.first = now
        self.commands += 1
        self._settle(sent, now)
        command = Command(now, self._target, motion[0], sent, self._robot.measured(now), self._holding)
        self._observers.tell("commanded", command)
        return command

    def answered(self, decision: Decision, now: float, seconds: float) -> None:
        """The first command after a decision is out at `now`, so many seconds after the picture was there."""
        self._timer.add("end_to_end", seconds)
        if decision.target is not None:
            self._shown.append((decision.target.number, now))
        self._unseen = [keyframe for keyframe in [*self._unseen, *decision.keyframes] if not self._seen(*keyframe)]

    def _seen(self, number: int, captured: float) -> bool:
        """Time how long a keyframe took to be shown, once a target of it or of a later frame is out."""
        out = next((now for shown, now in self._shown if shown >= number), None)
        if out is not None:
            self._timer.add("keyframe_to_command", out - captured)
        return out is not None

    def _settle(self, sent: np.ndarray, now: float) -> None:
        """Keep planner and robot together: where the robot was held back, the plan later goes on from where it is."""
        away = bool(getattr(self._robot, "away", False))
        safe = getattr(self._robot, "safe", None)
        holding = safe is not None and bool(safe.held or safe.eased)
        self.holds += self._met and holding and not self._holding
        self._holding, self._last, self._sent = holding, now, sent
        if away:
            self.watch.restart()
        else:
            self.watch.look(sent, now)
        if away or holding:
            self._planner.reset(sent, now)
            self._adrift = True
        elif self._adrift:
            self._adrift = False
            self.aim(self._target, now)
