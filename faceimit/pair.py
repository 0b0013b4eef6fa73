"""``faceimit-pair``: a video of a robot and the log of its commands become pairs of picture and control values."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from faceimit.data.pairs import write_pairs
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from faceimit.robot.recording import Alignment, align, inside, seen_motion, still
from faceimit.robot.script import Commands, read_commands
from faceimit.tracking.cli import CommandParser, between, run_command
from faceimit.tracking.outputs import check_new, check_output_folder, check_outputs
from faceimit.words import plural

DESCRIPTION = """\
Align a video of a robot with its command log and write pairs of picture and 30 control values.

The offset between the two clocks is estimated from what moves, to a fraction of a frame; it is refused where nothing
moves or where several offsets fit alike. The log is the script of faceimit-rollout, or JSON or CSV with a column time
(seconds) and the 30 controls by name. --still keeps only frames of a robot at rest, whose values are exact. The file is
read by data=ameca; --example DIR records a rendered robot."""
EXAMPLE = """\
  faceimit-pair --example robot_take
  faceimit-pair robot_take/robot.mp4 robot_take/script.json --out pairs.parquet"""
EXAMPLE_FILES = ("robot.mp4", "script.json")
FARTHEST_S = 3600.0  # of the offsets that can be looked for


def main() -> None:
    """The command ``faceimit-pair``."""
    sys.exit(run_command(run))


def run(arguments: Sequence[str]) -> None:
    """Align, pair, write.

    Raises:
        InputError: bad arguments, unreadable files, no certain offset, no frame left.
    """
    args = _parser().parse_args(arguments)
    if args.example is not None:
        record_example(args)
        return
    if args.video is None or args.log is None or args.out is None:
        raise InputError("missing VIDEO, LOG or --out; see faceimit-pair --help")
    check_outputs({"--out": args.out}, [args.video, args.log], {"--out": (".parquet",)})
    commands = read_commands(args.log)
    with read_frames(args.video) as video:
        times, motion = seen_motion((frame.time_s, frame.image) for frame in video)
    if video.note:
        print(f"note: {video.note}", file=sys.stderr)
    found = align(times, motion, commands, args.most_offset, args.drift)
    keep = (still if args.still else inside)(times, commands, found)
    if not keep.any():
        raise InputError("no frame is left: the robot never rests in the log, leave --still out")
    name = args.sequence or args.video.stem
    count = write_pairs(args.out, _pairs(args.video, times, keep, commands, found, name), args.quality)
    print(summary(found, len(times), count))
    print(f"{plural(count, 'pair')} of sequence {name}: {args.out}")


def record_example(args: argparse.Namespace) -> None:
    """What --example asks for, in a folder that has none of it yet."""
    unused = [name for name in ("video", "log", "out", "sequence", "quality") if getattr(args, name) is not None]
    if unused:
        raise InputError(f"--example only records a rendered robot: leave {', '.join(unused)} out")
    check_output_folder("--example", args.example)
    check_new("--example", *(args.example / name for name in EXAMPLE_FILES))
    write_example(args.example)
    print(f"{args.example}: {' and '.join(EXAMPLE_FILES)}; the video starts 0.4 s before the script")


def summary(found: Alignment, frames: int, kept: int) -> str:
    """The alignment in a line."""
    drift = f", drift {found.drift * 1e6:+.0f} ppm" if found.drift else ""
    return (
        f"offset {found.offset * 1000:+.1f} ms{drift}, correlation {found.correlation:.2f} "
        f"(next best {found.rival:.2f}, confidence {found.confidence:.2f}), {kept} of {plural(frames, 'frame')}"
    )


def write_example(folder: Path) -> None:
    """A rollout of the rendered robot and its video, which begins 0.4 s before the commands.

    Raises:
        InputError: the folder cannot be written.
    """
    from faceimit.data.synthetic.robot import RobotRenderer
    from faceimit.data.video import write_video
    from faceimit.robot.profile import load_profile
    from faceimit.robot.rollout import draw_poses, roll_out
    from faceimit.robot.script import as_json
    from faceimit.tracking.files import write_text

    profile = load_profile("virtual")
    rollout = roll_out(profile, *draw_poses(profile, "dirichlet", 12))
    film, script = (folder / name for name in EXAMPLE_FILES)
    write_text(script, as_json(rollout.commands))
    times = np.arange(0.0, rollout.commands.times[-1] + 0.8, 1 / 25)
    write_video(film, RobotRenderer(96).render(rollout.commands.at(times - 0.4)), 25.0)


def _pairs(
    video: Path, times: np.ndarray, keep: np.ndarray, commands: Commands, found: Alignment, name: str
) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Picture, values and sequence of each frame kept, decoded one at a time."""
    values = commands.at(found.log_time(times))
    with read_frames(video) as frames:
        for frame in frames.pick([int(i) for i in np.flatnonzero(keep)]):
            yield frame.image, values[frame.index], name


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-pair")
    parser.add_argument("video", type=Path, nargs="?", metavar="VIDEO", help="of the robot, from one fixed camera")
    parser.add_argument("log", type=Path, nargs="?", metavar="LOG", help="commands with times, .json or .csv")
    parser.add_argument("--out", type=Path, metavar="FILE", help="pairs to write, .parquet")
    parser.add_argument("--still", action="store_true", help="drop frames during movements")
    parser.add_argument("--drift", action="store_true", help="the two clocks may run at different speeds")
    parser.add_argument(
        "--most-offset",
        type=between(float, 0.1, FARTHEST_S),
        default=10.0,
        metavar="S",
        help="look so far (default 10 s)",
    )
    parser.add_argument("--sequence", metavar="NAME", help="of the pairs (default: the video's name)")
    parser.add_argument(
        "--quality", type=between(int, 1, 100), metavar="N", help="JPEG quality, 1 to 100 (default: PNG, without loss)"
    )
    parser.add_argument("--example", type=Path, metavar="DIR", help="only record a rendered robot into DIR")
    return parser


if __name__ == "__main__":
    main()
