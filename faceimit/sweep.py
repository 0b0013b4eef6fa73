"""Run a W&B sweep file on this machine or a cluster, without a server.

python -m faceimit.sweep sweeps/keyframe.yaml --count 4 profile=tiny
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faceimit.errors import InputError
from faceimit.tracking.cli import CommandParser, run_command

if TYPE_CHECKING:
    from faceimit.sweeping.launch import Launcher

DESCRIPTION = """\
Try the settings a W&B sweep file describes, without a server: bayes (Optuna's TPE), random or W&B's own grid, with the
file's early termination. Each trial is a run of its own, which `wandb sync` can send later.

It can be stopped or killed at any time; the same command goes on where it was, with unfinished trials first. With a
server the same file needs nothing of this: wandb sweep FILE, then wandb agent SWEEP."""
EXAMPLE = """\
  python -m faceimit.sweep sweeps/keyframe.yaml --count 4 profile=tiny
  python -m faceimit.sweep sweeps/flow.yaml --jobs 2 budget.minutes=20
  python -m faceimit.sweep sweeps/mapping.yaml --count 64 --jobs 8 --launcher submitit_slurm \\
      hydra.launcher.partition=gpu hydra.launcher.gpus_per_node=1
"""


def main() -> int:
    """The command."""
    return run_command(command)


def command(arguments: Sequence[str]) -> None:
    """Check the file, run what is missing of its trials, rank them all, print the folder.

    Raises:
        InputError: bad arguments, a sweep file that cannot be run, trials that all fail.
    """
    args = _parser().parse_intermixed_args(arguments)
    if args.file is None or "=" in args.file.name:
        raise InputError("give a sweep file first, such as sweeps/keyframe.yaml; see python -m faceimit.sweep --help")
    from faceimit.sweeping import ranking
    from faceimit.sweeping.run import number_of_trials, progress, run_sweep
    from faceimit.sweeping.sweepfile import check_sweep, read_sweep
    from faceimit.sweeping.trials import SweepFolder
    from faceimit.tracking.outputs import check_output_folder

    sweep = read_sweep(args.file)
    more = [word for word in args.overrides if not word.startswith("hydra.")]
    total = number_of_trials(sweep, args.count)
    check_sweep(sweep, more)
    folder = SweepFolder(args.out or Path("runs", "sweeps", sweep.path.stem))
    check_output_folder("--out", folder.path)
    launcher = _launcher(args, folder.path)
    with folder.opened(sweep, more):
        done = sum(trial.state != "waiting" for trial in folder.trials())
        try:
            with progress(sweep, total, done) as say:
                run_sweep(sweep, folder, launcher, total, args.seed, more, say)
        except KeyboardInterrupt:
            print(f"trials so far are in {folder.path}, the same command goes on from there", file=sys.stderr)
            raise
        rows = ranking.write_ranking(folder.path, sweep, folder.trials())
        ranking.show(sweep, rows)
        ranking.require_success(rows)
    print(f"  ranking  {folder.path / ranking.RANKING}")
    if any(value is not None for _, value in rows):
        print(f"  plot     {folder.path / ranking.PLOT}")
    print(folder.path)


def _launcher(args: argparse.Namespace, folder: Path) -> "Launcher":
    from faceimit.sweeping.launch import HydraJobs, Processes

    options = [word for word in args.overrides if word.startswith("hydra.")]
    if args.launcher is None:
        if options:
            raise InputError(f"{options[0]} is for a launcher, name one with --launcher, such as submitit_slurm")
        return Processes(args.jobs)
    return HydraJobs(args.launcher, options, args.jobs, folder)


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="python -m faceimit.sweep")
    parser.add_argument("file", type=Path, nargs="?", metavar="SWEEP.yaml", help="a W&B sweep file")
    parser.add_argument("overrides", nargs="*", metavar="name=value", help="Hydra overrides of every trial")
    parser.add_argument("--count", type=_whole_number(1), metavar="N", help="trials of the sweep in all (grid: all)")
    parser.add_argument("--jobs", type=_whole_number(1), default=1, metavar="N", help="trials at a time (default: 1)")
    parser.add_argument(
        "--launcher", metavar="NAME", help="Hydra launcher: joblib, submitit_local, submitit_slurm, ray"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where it is kept (default: runs/sweeps/<file>)")
    parser.add_argument("--seed", type=_whole_number(0), default=0, metavar="N", help="of the search (default: 0)")
    return parser


def _whole_number(least: int) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a number of {least} or more but got {text}")
        return int(text)

    return parsed


if __name__ == "__main__":
    sys.exit(main())
