"""``faceimit-rollout``: poses that cover what a robot's face can do, as a script of timed commands."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceimit.data.checks.coverage import coverage
from faceimit.face import highlevel
from faceimit.robot.profile import RobotProfile, load_profile
from faceimit.robot.rollout import SAMPLERS, Rollout, draw_poses, roll_out
from faceimit.robot.script import as_csv, as_json
from faceimit.tracking.cli import CommandParser, between, run_command
from faceimit.tracking.outputs import check_outputs, write_output
from faceimit.words import plural

DESCRIPTION = """\
Draw poses of a robot's face and write the commands that show them, for a recording.

The mouth is a blend of 12 expressions, all other controls are free in the robot's ranges. Moves are minimum-jerk and
keep the robot's limits of velocity, acceleration and jerk; each pose is held for about --dwell seconds; the order is
one of short moves. The script (.json or .csv) has a time and 30 named values a row. Record a video while the robot
plays it, then pair the two with faceimit-pair."""
EXAMPLE = """\
  faceimit-rollout --robot ameca --sampler mixed --count 200 --out script.json"""
FEWEST = 4  # poses that coverage can be told of


def main() -> None:
    """The command ``faceimit-rollout``."""
    sys.exit(run_command(run))


def run(arguments: Sequence[str]) -> None:
    """Draw, order, write, and say how well the poses cover the robot's space.

    Raises:
        InputError: bad arguments, or a file that cannot be written.
    """
    args = _parser().parse_args(arguments)
    check_outputs({"--out": args.out}, [args.robot], {"--out": (".json", ".csv")})
    profile = load_profile(args.robot)
    weights, poses = draw_poses(profile, args.sampler, args.count, args.seed)
    rollout = roll_out(profile, weights, poses, args.dwell, args.rate, args.seed)
    as_table = args.out.suffix.lower() == ".csv"
    script = as_csv(rollout.commands) if as_table else as_script(profile, rollout, args.sampler)
    write_output(args.out, script.encode())
    print(summary(profile, rollout))
    times = rollout.commands.times
    print(f"{plural(len(poses), 'pose')}, {times[-1]:.0f} s, {plural(len(times), 'command')}: {args.out}")


def as_script(profile: RobotProfile, rollout: Rollout, sampler: str) -> str:
    """The script as JSON, with when each pose is held and of which expressions its mouth is made."""
    held = [
        {
            "from": round(float(start), 4),
            "to": round(float(end), 4),
            "mouth": {name: round(float(x), 4) for name, x in zip(highlevel.NAMES, row, strict=True) if x >= 0.01},
        }
        for start, end, row in zip(rollout.starts, rollout.ends, rollout.weights, strict=True)
    ]
    return as_json(rollout.commands, robot=profile.name, sampler=sampler, poses=held)


def summary(profile: RobotProfile, rollout: Rollout) -> str:
    """Coverage of the space of the controls the robot has, beside that of as many even points."""
    if len(rollout.poses) < FEWEST:
        return f"coverage needs at least {FEWEST} poses"
    mask = profile.mask
    shares = (rollout.poses - profile.low)[:, mask] / (profile.high - profile.low)[mask]
    found = coverage(shares)
    spread = ", ".join(f"{np.ptp(shares[:, i]):.2f}" for i in np.argsort(np.ptp(shares, axis=0))[:3])
    return (
        f"coverage of {int(mask.sum())} controls: cells of pairs {found.overall:.2f} of even points, "
        f"{found.dimensions:.1f} dimensions, nearest neighbour {found.gap_median:.3f} (even {found.even_gap:.3f}), "
        f"reach {found.reach:.3f} (even {found.even_reach:.3f}), least used ranges {spread}"
    )


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-rollout")
    parser.add_argument("--robot", default="ameca", metavar="NAME", help="a profile of conf/robot, or a .yaml file")
    parser.add_argument("--sampler", default="mixed", metavar="NAME", help=f"{', '.join(SAMPLERS)} (default mixed)")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="poses (default 200)")
    parser.add_argument("--dwell", type=float, default=0.6, metavar="S", help="seconds at each pose (default 0.6)")
    parser.add_argument("--rate", type=float, default=50.0, metavar="HZ", help="commands a second (default 50)")
    seed = between(int, 0, math.inf)
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="of the draw (default 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="script to write, .json or .csv")
    return parser


if __name__ == "__main__":
    main()
