"""``faceimit-deploy``: a robot imitates the face in front of a camera, or in a video."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

from faceimit.bundle.load import Bundle, load_bundle
from faceimit.data.faces import FaceDetector, make_detector
from faceimit.errors import InputError
from faceimit.robot.drivers import Driver, make_driver
from faceimit.robot.drivers.record import Record
from faceimit.robot.drivers.simulated import Simulated
from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.runtime.keys import HINT, Keys
from faceimit.runtime.live import Stop
from faceimit.runtime.loop import Observer, Observers
from faceimit.runtime.modes import MODES, make_mode
from faceimit.runtime.readers import READERS
from faceimit.runtime.recording import RERUN, Recorder, check_folder, read_recording
from faceimit.runtime.session import FAILED, Outcome, Settings, run
from faceimit.runtime.signals import INTERRUPTED, TERMINATED, Signals
from faceimit.runtime.sources import Source, open_source
from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.files import as_json, write_json, write_text
from faceimit.tracking.outputs import check_output_folder, check_outputs, write_output
from faceimit.tracking.stopping import Terminated

DESCRIPTION = """\
Drive a robot: it shows the expressions of the face in a camera, a stream or a video, at the frames that matter.

A checkpoint is exported once and its bundle kept beside it. Without --source a rendered performance is played; without
--robot a simulated one follows. Speed, acceleration and jerk stay within the robot's limits; without a face it holds
after 150 ms and goes to neutral; it rests at neutral at the end, after Ctrl-C and after an error. In a terminal, space
or Esc stops it where it is at once, and q ends the run.
Exit codes: 0 done, 2 bad input or failed, 130 stopped by Ctrl-C or the emergency stop, 143 by SIGTERM or a closed
terminal. The summary (--json) is written in every case in which the robot was driven."""
EXAMPLE = """\
  faceimit-deploy --checkpoint shipped --json summary.json --record recording"""
SIMULATED = "simulated"
FILES = {"page": "summary.html", "json": "summary.json"}
USED_BY = {"at": ("keyframes", "hybrid"), "uniform_rate": ("uniform",)}  # options that other modes have no use for
STOPPED = {INTERRUPTED, "emergency stop"}


def main() -> None:
    """The command ``faceimit-deploy``."""
    sys.exit(run_command(deploy))


def deploy(arguments: Sequence[str]) -> None:
    """Export if need be, verify, drive, sum up.

    Raises:
        InputError: bad arguments, or a run that failed; its summary is written.
        KeyboardInterrupt: the run was stopped from outside; its summary is written.
    """
    began = time.monotonic()
    args = _parser().parse_args(arguments)
    args.controls = _controls(args)
    settings = _settings(args)
    options = _options(args)
    _check_outputs(args, options)
    with contextlib.ExitStack() as failing, ThreadPoolExecutor(1) as beside:
        detector = beside.submit(make_detector, args.faces)  # takes as long to load as the bundle
        failing.callback(_let_go, detector)
        bundle, where, exported = _bundle(args)
        profile, driver = _robot(args, options, bundle)
        source = open_source(args.source, args.fps, lambda text: print(text, file=sys.stderr, flush=True))
        faces = detector.result()
        observers = Observers(_observers(args, source))
        failing.pop_all()
    stop = Stop()
    with Signals(stop), Keys(stop) as keys:
        print(f"{source.name} -> {where} -> {profile.name} ({type(driver).__name__.lower()}), mode {settings.mode}")
        if keys.listens:
            print(HINT)
        began += exported
        outcome = run(bundle, source, driver, profile, settings, observers, stop, faces, began=began)
    _write(outcome, source, driver, args)
    _end(outcome)


def _controls(args: argparse.Namespace) -> str | None:
    """How controls are read: a calibration is for those by geometry."""
    if args.calibration is None:
        return args.controls
    if args.controls not in (None, "geometric"):
        raise InputError(
            f"--calibration {args.calibration} fits controls read by geometry, not by {args.controls}: leave one out"
        )
    return "geometric"


def _let_go(detector: Future[FaceDetector]) -> None:
    if detector.exception() is None:
        detector.result().close()


def _settings(args: argparse.Namespace) -> Settings:
    """What was asked for, usual where nothing was; the number of threads goes to `args`.

    Where the robot does not wait for scores, a second thread would only take the other core from its commands.
    """
    given = {f.name: getattr(args, f.name) for f in fields(Settings)}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    usual = 2 if make_mode(settings.mode).waits else 1
    for name, modes in USED_BY.items():
        if given[name] is not None and settings.mode not in modes:
            option = f"--{name.replace('_', '-')} {given[name]}"
            raise InputError(f"{option} is for mode {' or '.join(modes)}, not for {settings.mode}: leave it out")
    most = 2 * (os.cpu_count() or 1)
    if args.threads is not None and not 1 <= args.threads <= most:
        raise InputError(f"expected --threads from 1 to {most} here but got {args.threads}, leave it out for {usual}")
    args.threads = args.threads or usual
    return settings


def _options(args: argparse.Namespace) -> dict[str, str]:
    """The driver's options by name."""
    options = {}
    for option in args.option:
        key, equals, value = option.partition("=")
        if not equals:
            raise InputError(f"expected --option NAME=VALUE but got {option!r}, such as --option port=9000")
        options[key] = value
    return options


def _bundle(args: argparse.Namespace) -> tuple[Bundle, Path, float]:
    if args.bundle is not None:
        if args.landmarks or args.mapping or args.quantize:
            raise InputError(
                "--landmarks, --mapping and --quantize are for --checkpoint: a bundle is as it was exported"
            )
        return load_bundle(args.bundle, args.threads), args.bundle, 0.0
    from faceimit.tracking.ready_bundle import bundle_of

    robot = "ameca" if args.robot == SIMULATED else load_profile(args.robot).name
    return bundle_of(args.checkpoint, args.landmarks, args.mapping, robot, args.threads, args.quantize)


def _robot(args: argparse.Namespace, options: dict[str, str], bundle: Bundle) -> tuple[RobotProfile, Driver]:
    """``simulated`` is the robot the bundle was made for on simulated servos; a name is a profile, with its driver.

    Raises:
        InputError: an unknown robot or driver, options that do not fit, a robot that would be sent too much too fast.
    """
    profile = load_profile(bundle.robot if args.robot == SIMULATED else args.robot, args.calibration)
    name = args.driver or (SIMULATED if args.robot == SIMULATED else profile.driver)
    driver = make_driver(name, profile, **{"dry_run": args.dry_run, **options})
    if args.fast and not driver.dry_run and not isinstance(getattr(driver, "inner", driver), Simulated):
        raise InputError(f"--fast sends faster than a robot may move: leave it out for driver {name} or give --dry-run")
    return profile, driver


def _observers(args: argparse.Namespace, source: Source) -> list[Observer]:
    found: list[Observer] = []
    if args.view or (args.record is not None and _has_rerun()):
        from faceimit.runtime.view import View

        found.append(View(args.view, None if args.record is None else args.record / RERUN))
    if args.record is not None:  # last: what fails before leaves no beginnings of files
        found.append(Recorder(args.record, source.fps))
    return found


def _has_rerun() -> bool:
    from importlib.util import find_spec

    return find_spec("rerun") is not None


def _check_outputs(args: argparse.Namespace, options: dict[str, str]) -> None:
    """Refuse outputs that would destroy something or cannot be written, before anything moves."""
    commands = Path(options.get("path", Record.path)) if args.driver == "record" else None
    inputs = [args.source, args.bundle, args.checkpoint, args.landmarks, args.mapping, args.model, args.calibration]
    inputs += [args.robot, args.faces, *(value for name, value in options.items() if not commands or name != "path")]
    check_outputs({"--json": args.json, "--option path": commands}, inputs)
    if args.record is None:
        return
    check_output_folder("--record", args.record, inputs)
    check_folder(args.record)
    if args.json is not None and args.record.resolve() in args.json.resolve().parents:
        raise InputError(
            f"--json {args.json} lies in the folder of --record, which gets its own {FILES['json']}: leave --json out "
            "or name a file elsewhere"
        )


def _write(outcome: Outcome, source: Source, driver: Driver, args: argparse.Namespace) -> None:
    """The summary, the recording's page and videos, and where they are."""
    summary = outcome.summary
    print(_said(summary, args.dry_run))
    if isinstance(driver, Record):
        print(f"  commands    {driver.path}")
    if args.json is not None:
        write_output(args.json, as_json(summary).encode())
        print(f"  summary     {args.json}")
    if args.record is not None:
        from faceimit.tracking.deployment_page import deployment_page, side_by_side

        write_json(args.record / FILES["json"], summary)
        recording = read_recording(args.record)
        write_text(args.record / FILES["page"], deployment_page(summary, recording))
        side_by_side(recording, source.fps)
        print(f"  recording   {args.record}\n  page        {args.record / FILES['page']}")


def _said(summary: dict[str, Any], dry_run: bool) -> str:
    """The run in two lines."""
    sent = " not sent (--dry-run)" if dry_run else ""
    end = summary["latency_ms"].get("end_to_end")
    slow = f", frame to command p95 {end['p95']:.1f} ms" if end else ""
    lines = [
        f"{summary['status']}: {summary['frames']} frames at {summary['fps']:.1f} fps, "
        f"{summary['dropped_frames']} dropped, {summary['keyframes']} keyframes, "
        f"{summary['commands']} commands{sent}{slow}, "
        f"{summary['limit_violations']} limit violations, {summary['stale_holds']} holds"
    ]
    return "\n".join([*lines, *(f"  note: {note}" for note in summary["notes"])])


def _end(outcome: Outcome) -> None:
    if outcome.status == FAILED:
        assert outcome.error is not None
        if isinstance(outcome.error, InputError | OSError):
            raise outcome.error
        what = f"{type(outcome.error).__name__}: {outcome.error}"
        raise InputError(f"the run failed and the robot was brought to rest ({what}); see --debug") from outcome.error
    if outcome.status == TERMINATED:
        raise Terminated
    if outcome.status in STOPPED:
        raise KeyboardInterrupt


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-deploy")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--checkpoint", metavar="CKPT", help="a run's best.ckpt, a weights file, or shipped")
    model.add_argument("--bundle", type=Path, metavar="DIR", help="folder of faceimit-export")
    parser.add_argument("--landmarks", metavar="CKPT", help="with --checkpoint: other landmarks than the shipped ones")
    parser.add_argument("--mapping", metavar="CKPT", help="with --checkpoint: another mapping than the shipped one")
    parser.add_argument("--quantize", choices=("int8",), help="with --checkpoint: the score in 8-bit integers, quicker")
    parser.add_argument("--source", metavar="SOURCE", help="a video, a folder of pictures, camera:N, or a URL")
    parser.add_argument("--fps", type=float, metavar="N", help="of a folder of pictures (default 25)")
    parser.add_argument("--robot", default=SIMULATED, metavar="NAME", help="simulated (default), a profile, or a .yaml")
    parser.add_argument("--driver", metavar="NAME", help="another driver than the profile's")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the driver; repeatable")
    controls = "mapping (default: the network), geometric (landmarks), or blendshapes (MediaPipe)"
    parser.add_argument("--controls", choices=READERS, metavar="NAME", help=controls)
    parser.add_argument("--model", metavar="TASK_FILE", help="face_landmarker .task file for --controls blendshapes")
    parser.add_argument("--calibration", type=Path, metavar="FILE", help="of faceimit-calibrate; controls by geometry")
    parser.add_argument("--calibrate", type=float, metavar="S", help="rest your face so long at first: it is neutral")
    parser.add_argument("--mode", metavar="MODE", help=f"{', '.join(MODES)} (default hybrid)")
    parser.add_argument("--at", choices=("apex", "peak"), help="what is shown of a change (default apex)")
    parser.add_argument("--uniform-rate", type=float, metavar="HZ", help="of mode uniform (default 5)")
    planners = "ruckig, feedforward, minimum_jerk or cubic (default: feedforward for hybrid, else ruckig)"
    parser.add_argument("--planner", metavar="NAME", help=planners)
    parser.add_argument("--rate", type=float, metavar="HZ", help="commands a second (default 50)")
    parser.add_argument("--look-ahead-ms", type=float, metavar="MS", help="of the search (default 100)")
    parser.add_argument("--faces", default="dlib", metavar="NAME", help="dlib (default) or a MediaPipe .task file")
    threads = "of the score (default: 2 where a mode waits for keyframes, else 1)"
    parser.add_argument("--threads", type=int, metavar="N", help=threads)
    parser.add_argument("--duration", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument("--fast", action="store_true", help="play a recording as fast as possible, simulated")
    parser.add_argument("--dry-run", action="store_true", help="connect to no robot and send nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary")
    parser.add_argument("--record", type=Path, metavar="DIR", help="keep pictures, scores, commands, a page and videos")
    parser.add_argument("--view", action="store_true", help="show the run in rerun (extra: view)")
    return parser


if __name__ == "__main__":
    main()
