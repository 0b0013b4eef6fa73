"""``faceimit-rerun``: train a run once more from its folder alone, and see whether it comes out the same."""

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faceimit.tracking.cli import CommandParser, run_command
from faceimit.tracking.command import interruptible

DESCRIPTION = """\
Repeat a run of faceimit.train: the same configuration, seed and data, in a new run folder. What is not as it was
(commit, versions, hardware, data) is named first; where the time limit had a say, each step begins at the time at which
it began then. In the end every figure is compared with the run's own, every step's losses, and the weights.

Paths in the configuration count from the folder the run was started in, where that is still there."""
EXAMPLE = """\
  python -m faceimit.train experiment=keyframe_multitask profile=tiny
  faceimit-rerun runs/keyframe_multitask/latest"""


def main() -> None:
    """The command ``faceimit-rerun``."""
    sys.exit(run_command(rerun))


def rerun(arguments: Sequence[str]) -> None:
    """Train again, compare, print the table; the new run folder is printed last.

    Raises:
        InputError: bad arguments, a broken run folder, or a run of another version.
    """
    args = _parser().parse_args(arguments)
    from faceimit.tracking.environment import environment
    from faceimit.tracking.files import read_json
    from faceimit.tracking.outputs import check_output_folder, check_outputs, write_output
    from faceimit.tracking.repetition import Past, Verdict, data_differences, differences, show
    from faceimit.tracking.runs import new_name
    from faceimit.train import train

    past = Past.read(args.run.expanduser().resolve())
    past.take_threads()
    folder = args.out.expanduser().resolve() if args.out else past.folder.parent / new_name()
    other = {} if args.logger is None else {"logger": logger(args.logger)}
    check_outputs({"--json": args.json}, [past.folder])
    check_output_folder("--out", folder, [past.folder])
    changed = {"resume": None, "run_dir": str(folder)} | other
    numbers = args.json and args.json.absolute()
    with past.followed(folder):
        notes = [*past.lost(), *differences(past.environment, environment(past.config["seed"]))]
        warn(notes)
        with interruptible(), contextlib.chdir(past.place()):
            train(past.config | changed)
    apart = data_differences(past.data, read_json(folder / "data.json")["fingerprint"])
    warn(apart)
    verdict = Verdict.of(past, folder, [*notes, *apart])
    show(verdict)
    if numbers is not None:
        write_output(numbers, (json.dumps(verdict.content(), indent=2) + "\n").encode())
    print(folder)


def warn(differences: Sequence[str]) -> None:
    """Say on stderr what is not as it was."""
    for difference in differences:
        print(f"not as it was: {difference}", file=sys.stderr)


def logger(name: str) -> Any:
    """The configuration of another logger.

    Raises:
        InputError: there is none of this name.
    """
    from faceimit.tracking.config import composed, plain

    return plain(composed(["experiment=flow", f"logger={name}"]))["logger"]


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-rerun")
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the new run folder (default: beside the run)")
    parser.add_argument(
        "--logger", metavar="NAME", help="another logger than the run's: wandb, tensorboard, csv or none"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the comparison in numbers")
    return parser


if __name__ == "__main__":
    main()
