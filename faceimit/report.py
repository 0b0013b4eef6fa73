"""``faceimit-report``: one page of a run, of several runs side by side, of an evaluation, a sweep or an experiment."""

import sys
from collections.abc import Sequence
from pathlib import Path

from faceimit.tracking.cli import CommandParser, clip_count, run_command
from faceimit.tracking.files import as_json
from faceimit.tracking.outputs import PAGE_ENDINGS, check_outputs, write_output
from faceimit.tracking.pages import progress

DESCRIPTION = """\
Make one HTML page, in one file that opens anywhere, of what a training or a measurement left: figures with their
meaning and unit, training curves, errors of each clip, control or group of points with the worst first, scores with
their keyframes, contact sheets, and how it was run. What is missing is said.

PATH is a run folder of faceimit.train, or several of one task (side by side, with only the settings that differ), a
folder of faceimit.evaluate, of a sweep, of faceimit-deploy --record, or experiments/NAME. The page's path is printed
last."""
EXAMPLE = """\
  python -m faceimit.train experiment=keyframe_multitask profile=tiny run_dir=runs/first
  python -m faceimit.report runs/first --recompute --out report.html"""
DRAWN_CLIPS = 4


def main() -> None:
    """The command ``faceimit-report``."""
    sys.exit(run_command(report))


def report(arguments: Sequence[str]) -> None:
    """Read, draw, write the page.

    Raises:
        InputError: bad arguments, a folder that cannot be reported, outputs that cannot be written.
    """
    args = _parser().parse_args(arguments)
    name = args.path[0].resolve().name if len(args.path) == 1 else f"{len(args.path)}_runs"
    out = args.out or Path(f"report_{name}.html")
    check_outputs({"--out": out, "--json": args.json}, args.path, {"--out": PAGE_ENDINGS})
    from faceimit.tracking.report_open import Wanted, report_of

    wanted = Wanted(recompute=args.recompute, clips=args.clips, any_version=args.any_version)
    with progress() as advance:
        made = report_of(args.path, wanted, advance)
    if args.json is not None:
        write_output(args.json, as_json(made.content).encode())
    write_output(out, made.html.encode())
    print(out)


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-report")
    parser.add_argument("path", type=Path, nargs="+", metavar="PATH", help="what to report")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="page (default: report_NAME.html)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures, tables and findings")
    parser.add_argument("--recompute", action="store_true", help="measure test clips again from the best checkpoint")
    parser.add_argument(
        "--clips", type=clip_count, default=DRAWN_CLIPS, metavar="N", help="draw N test clips (default: %(default)s)"
    )
    parser.add_argument("--any-version", action="store_true", help="read a run of another version of faceimit as well")
    return parser


if __name__ == "__main__":
    main()
