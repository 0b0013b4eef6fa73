"""A live run: one thread captures, one looks, and the caller's thread commands the robot at its own rate.

Looking takes 10 to 20 ms a picture and lets go of the interpreter while the networks run; commands must go out every
20 ms whatever it does, so they have a thread of their own, the main one, which also gets the signals. It is woken as
soon as a picture was looked at and commands at once, and then every 1/rate s until the next: no picture waits for a
tick. Nothing queues: a picture nobody had time for is dropped and counted.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from faceimit.runtime.capture import Capture, Clock
from faceimit.runtime.handover import Latest
from faceimit.runtime.loop import Command, Commanding, Decision, Looking
from faceimit.runtime.timing import Timer

TAKE_S = 0.1  # the looking thread looks this often whether it is to end
BRAKE_S = 0.3  # a moving robot comes to rest in this time, before it goes to neutral
SOFT_S = 1.0  # the way to neutral takes that long, or as long as the limits ask
EASE_S = 6.0  # at most this long on the way to neutral
AT_REST = 1e-3  # of a control's range: this near to neutral is neutral
GIVE_UP_S = 0.5  # a robot that is gone for so long on the way to neutral is not waited for


class Stop:
    """Says when a run is to end, and why; may be asked from a signal handler.

    Attributes:
        reason: why, None while the run goes on.
        halted: emergency: stop where the robot is, do not go to neutral.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.halted = False

    def ask(self, reason: str, halt: bool = False) -> None:
        """End the run; a second time, and with `halt`, stop on the spot."""
        self.halted = self.halted or halt or (self.reason is not None and reason == self.reason)
        self.reason = self.reason or reason


class Looker:
    """Looks at the latest picture in a thread of its own; a context manager.

    Args:
        capture: gives pictures.
        looking: at them.
        timer: with the stages ``wait`` and ``frame``.
        clock: monotonic seconds.
        spare: called after each picture if no other is waiting.

    Attributes:
        decisions: the latest decision nobody has taken yet.
        error: what ended the thread, if it was not the end of the pictures.
    """

    def __init__(
        self, capture: Capture, looking: Looking, timer: Timer, clock: Clock, spare: Callable[[], None] = lambda: None
    ) -> None:
        self._spare = spare
        self._capture, self._looking, self._timer, self._clock = capture, looking, timer, clock
        self.decisions = Latest[Decision]()
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="look", daemon=True)

    def __enter__(self) -> "Looker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._capture.latest.ended:
                picture = self._capture.latest.take(TAKE_S)
                if picture is not None:
                    self._timer.add("wait", self._clock() - picture.captured)
                    with self._timer.stage("frame"):
                        self._looking.look(picture, self.decisions.put)
                    if self._capture.latest.empty:
                        self._spare()
            self._looking.perception.finish()
        except Exception as error:
            self.error = error
        finally:
            self.decisions.close()


def drive(
    capture: Capture,
    looker: Looker,
    commanding: Commanding,
    stop: Stop,
    rate: float,
    duration: float | None,
    clock: Clock = time.monotonic,
) -> None:
    """Command the robot until the pictures end, the time is over, or somebody asks to stop.

    Args:
        capture: entered.
        looker: entered.
        commanding: started.
        stop: asked by signals and keys.
        rate: commands a second, > 0; one more goes out for every picture.
        duration: seconds, None: until the source ends.
        clock: monotonic seconds.

    Raises:
        Exception: whatever ended capture or looker, after the robot was told to hold.
    """
    period, start = 1.0 / rate, clock()
    last = start
    while stop.reason is None:
        now = clock()
        if duration is not None and now - start >= duration:
            return
        decision = looker.decisions.take(min(period, max(0.0, last + period - now)))
        last = clock()
        if decision is not None:
            commanding.decide(decision, last)
        elif looker.decisions.ended:
            break
        commanding.command(last)
        if decision is not None:
            now = clock()
            commanding.answered(decision, now, now - decision.picture.captured)
    for error in (looker.error, capture.error):
        if error is not None:
            raise error


def ease(
    commanding: Commanding,
    robot: object,
    neutral: np.ndarray,
    span: np.ndarray,
    stop: Stop,
    rate: float,
    clock: Clock = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the robot to rest, then to neutral (30,), within its limits; stops where it is when `stop` says halt.

    A plan of a second begun in full motion would first carry the robot on, to the ends of its ranges.
    """
    start, here = clock(), commanding.sent
    away_since: float | None = None
    while not stop.halted and clock() - start < EASE_S:
        now = clock()
        if now - start < BRAKE_S:
            commanding.rest(here, now, now)
        else:
            commanding.rest(neutral, now, start + BRAKE_S + SOFT_S)
        command = commanding.command(now)
        away_since = (away_since or now) if getattr(robot, "away", False) else None
        if _at(command, neutral, span) or (away_since is not None and now - away_since > GIVE_UP_S):
            return
        pause(1.0 / rate)


def _at(command: Command, neutral: np.ndarray, span: np.ndarray) -> bool:
    return bool((np.abs(command.sent - neutral) / span).max() < AT_REST)
