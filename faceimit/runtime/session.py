"""A whole run: parts put together, driven, brought to rest, and summed up, whatever happened on the way."""

import time
from dataclasses import dataclass, replace
from typing import Any

from faceimit.data.faces import FaceDetector
from faceimit.errors import InputError
from faceimit.face.controls import NAMES, SPAN
from faceimit.keyframes.search import At
from faceimit.robot.drivers import Driver
from faceimit.robot.drivers.options import in_range
from faceimit.robot.personal import REST_S, PersonalNeutral
from faceimit.robot.profile import RobotProfile
from faceimit.robot.trajectory import make_planner
from faceimit.runtime.capture import Capture, Clock
from faceimit.runtime.handover import WhenIdle
from faceimit.runtime.live import Looker, Stop, drive, ease
from faceimit.runtime.loop import COMMAND_STAGES, Commanding, Looking, Observers
from faceimit.runtime.modes import make_mode
from faceimit.runtime.perception import STAGES, Perception
from faceimit.runtime.readers import Reader, make_reader
from faceimit.runtime.simulation import play
from faceimit.runtime.sources import Picture, Source
from faceimit.runtime.timing import Timer

DONE, FAILED = "done", "failed"
RANGES = {
    "uniform_rate": (0.1, 1000.0),
    "rate": (5.0, 1000.0),
    "look_ahead_ms": (0.0, 2000.0),
    "duration": (0.01, 1e9),
    "calibrate": REST_S,
}
SEEN = 0.5  # of the pictures: where fewer show a face, the run is not what was meant


@dataclass(frozen=True)
class Settings:
    """How a run goes.

    Attributes:
        mode: see :mod:`faceimit.runtime.modes`.
        at: frame of a change that is shown.
        uniform_rate: targets a second of mode uniform.
        planner: see :func:`faceimit.robot.trajectory.make_planner`; None: the one that suits the mode.
        rate: commands a second.
        look_ahead_ms: how long a keyframe may take to be known after its score is.
        duration: seconds, None: until the source ends.
        fast: play a recording as fast as it can be looked at, on a counted clock.
        calibrate: seconds at the start in which the face rests, see :mod:`faceimit.robot.personal`; None: none.
        controls: how they are read, see :func:`faceimit.runtime.readers.make_reader`; None: as the bundle can.
        model: MediaPipe's, for controls by blendshapes; None: the cached or fetched one.
    """

    mode: str = "hybrid"
    at: At = "apex"
    uniform_rate: float = 5.0
    planner: str | None = None
    rate: float = 50.0
    look_ahead_ms: float = 100.0
    duration: float | None = None
    fast: bool = False
    calibrate: float | None = None
    controls: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: naming it.
        """
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                in_range(value, low, high, f"--{name.replace('_', '-')}")
        if self.calibrate is not None and self.duration is not None and self.duration <= self.calibrate:
            raise InputError(
                f"--duration {self.duration:g} ends before --calibrate {self.calibrate:g} is over, give a longer one"
            )


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        status: ``done``, why it was stopped, or ``failed``.
        error: what it failed of, None otherwise.
        summary: as ``--json`` writes it.
    """

    status: str
    summary: dict[str, Any]
    error: Exception | None = None


@dataclass
class Parts:
    """What a run is made of."""

    source: Source
    capture: Capture
    reader: Reader
    perception: Perception
    commanding: Commanding
    timer: Timer
    observers: Observers
    personal: PersonalNeutral | None
    began: float
    started: float = 0.0
    ended: float = 0.0


def run(
    bundle: Any,
    source: Source,
    driver: Driver,
    profile: RobotProfile,
    settings: Settings,
    observers: Observers,
    stop: Stop,
    detector: FaceDetector,
    clock: Clock = time.monotonic,
    began: float | None = None,
) -> Outcome:
    """Drive the robot; always comes back with a summary, the robot at rest.

    Args:
        bundle: loaded.
        source: open.
        driver: not yet entered.
        profile: of the robot.
        settings: how.
        observers: of the run; closed at its end.
        stop: asked to end the run.
        detector: of faces; closed at the end.
        clock: monotonic seconds.
        began: when the program began, on that clock; None: now.

    Raises:
        InputError: the robot cannot be reached, or settings do not fit, before anything moves.
    """
    began = clock() if began is None else began
    timer = Timer("wait", "frame", *STAGES, *COMMAND_STAGES)
    beside = None if settings.fast else WhenIdle("find")
    reader: Reader | None = None
    try:
        if settings.fast and source.live:
            raise InputError(f"{source.name} is live and cannot be played as fast as possible, leave out --fast")
        mode = make_mode(settings.mode, settings.at, settings.uniform_rate)
        search = replace(bundle.search, at=mode.at)
        reader = make_reader(bundle, profile, settings.controls, settings.model)
        personal = None if settings.calibrate is None else PersonalNeutral(profile, settings.calibrate)
        perception = Perception(
            bundle, reader, detector, source.fps, timer, search, settings.look_ahead_ms, beside, personal
        )
        planner = make_planner(settings.planner or mode.planner, profile)
        commanding = Commanding(driver, planner, profile, timer, observers)
        capture = Capture(source, clock)
        parts = Parts(source, capture, reader, perception, commanding, timer, observers, personal, began)
        error = _drive(parts, Looking(perception, mode, observers), driver, profile, settings, stop, clock)
        if error is None and stop.reason is None:
            error = _unreached(driver)
    finally:
        if beside is not None:
            beside.shutdown(cancel_futures=True)
        detector.close()
        if reader is not None:
            reader.close()
        observers.tell("close")
    status = FAILED if error is not None else stop.reason or DONE
    return Outcome(status, _summary(parts, driver, settings, status, error), error)


def _drive(
    parts: Parts, looking: Looking, driver: Driver, profile: RobotProfile, settings: Settings, stop: Stop, clock: Clock
) -> Exception | None:
    """Drive and bring to rest; what went wrong on the way, unless the robot could not be reached at all."""
    error: Exception | None = None
    with driver:
        parts.started = parts.ended = clock()
        try:
            if settings.fast:
                _play(parts, looking, profile, driver, settings, stop)
            else:
                _live(parts, looking, settings, stop, clock)
        except Exception as reason:
            error = reason
        parts.ended = clock()
        try:
            if not stop.halted and not settings.fast:
                ease(parts.commanding, driver, profile.neutral, SPAN, stop, settings.rate, clock)
            if stop.halted:
                driver.stop()  # leaving the driver then only brakes
        except Exception as reason:
            error = error or reason
    return error


def _live(parts: Parts, looking: Looking, settings: Settings, stop: Stop, clock: Clock) -> None:
    parts.commanding.start(clock())
    looker = Looker(parts.capture, looking, parts.timer, clock, parts.perception.read_ahead)
    with parts.capture, looker:
        drive(parts.capture, looker, parts.commanding, stop, settings.rate, settings.duration, clock)


def _play(
    parts: Parts, looking: Looking, profile: RobotProfile, driver: Driver, settings: Settings, stop: Stop
) -> None:
    """As fast as possible, then to neutral on the same counted clock."""
    parts.commanding.start(0.0)
    end = play(_recorded(parts, settings, stop), looking, parts.commanding, settings.rate)
    clock = _Counted(end)
    ease(parts.commanding, driver, profile.neutral, SPAN, stop, settings.rate, clock.now, clock.pause)


class _Counted:
    """A clock that goes on when somebody pauses."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        self._now += seconds


def _recorded(parts: Parts, settings: Settings, stop: Stop) -> Any:
    for index, (time_s, image) in enumerate(parts.source.pictures()):
        if stop.reason is not None or (settings.duration is not None and time_s >= settings.duration):
            return
        parts.capture.captured = index + 1
        yield Picture(index, time_s, image, time_s)


def _summary(parts: Parts, driver: Driver, settings: Settings, status: str, error: Exception | None) -> dict[str, Any]:
    perception, commanding, capture = parts.perception, parts.commanding, parts.capture
    elapsed = max(parts.ended - parts.started, 1e-9)
    first = None if settings.fast or not commanding.commands else round(commanding.first - parts.began, 3)
    notes = list(parts.observers.notes)
    notes += [parts.source.note] if parts.source.note else []
    notes += [f"the source was lost {capture.losses} times"] if capture.losses else []
    notes += [*_faces(perception), *_undelivered(driver), *_rested(parts.personal)]
    return {
        "status": status,
        "error": None if error is None else " ".join(str(error).split()) or type(error).__name__,
        "source": parts.source.name,
        "robot": driver.profile.name,
        "mode": settings.mode,
        "controls": parts.reader.name,
        "seconds": round(elapsed, 3),
        "first_command_s": first,
        "frames": capture.captured,
        "frames_with_face": perception.faces,
        "keyframes": perception.keyframes,
        "commands": driver.counts.sent,
        "undelivered_commands": driver.counts.undelivered,
        "dropped_frames": capture.latest.dropped,
        "neutral_offset": _offset(parts.personal),
        "refused_readings": perception.refused,
        "stale_holds": commanding.holds,
        "limit_violations": commanding.watch.violations,
        "latency_ms": parts.timer.milliseconds(),
        "fps": round(perception.frames / elapsed, 3),
        "source_fps": round(parts.source.fps, 3),
        "notes": notes,
    }


def _unreached(driver: Driver) -> InputError | None:
    """The error that a robot which got no command at all is; one that came late or went is only noted."""
    counts = driver.counts
    if counts.sent or not counts.undelivered:
        return None
    return InputError(
        f"none of {counts.undelivered} commands reached the robot: start what listens to driver "
        f"{type(driver).__name__.lower()}, or check the driver's --option"
    )


def _undelivered(driver: Driver) -> list[str]:
    lost = driver.counts.undelivered
    return [f"{lost} of {driver.counts.sent + lost} commands undelivered, check the robot's connection"] if lost else []


def _faces(perception: Perception) -> list[str]:
    """What was wrong with the pictures as a whole."""
    faces, frames = perception.faces, perception.frames
    if faces >= SEEN * frames:
        return [] if frames else ["no picture was looked at"]
    what = f"a face was seen in only {faces} of {frames} pictures" if faces else "no face was seen"
    return [f"{what}: it must look into the camera and fill a tenth of the picture"]


def _offset(personal: PersonalNeutral | None) -> dict[str, float] | None:
    """The person's bias by control, in table units; None without one."""
    if personal is None or personal.offset is None:
        return None
    return {name: round(float(value), 4) for name, value in zip(NAMES, personal.offset, strict=True) if value}


def _rested(personal: PersonalNeutral | None) -> list[str]:
    """What was wrong with the face at rest."""
    if personal is None:
        return []
    if personal.offset is None:
        return ["no face was seen at rest for long enough to calibrate, and the robot stayed at neutral"]
    moved = ", ".join(personal.restless[:3])
    return [f"the face did not rest during --calibrate ({moved}), repeat it"] if moved else []
