"""``faceimit-annotate``: faces, blendshapes, head pose and landmarks of a corpus of videos, in a store."""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from faceimit.data.annotators.protocol import GROUP, MEDIAPIPE, AnnotatorSpec
from faceimit.data.annotators.run import ENGINES, Report, annotate, shard, vars_of
from faceimit.data.corpora.listing import Listing, Problem
from faceimit.data.corpora.registry import CORPORA, list_corpus
from faceimit.errors import InputError
from faceimit.tracking.cli import CommandParser, between, run_command
from faceimit.tracking.files import write_json
from faceimit.tracking.outputs import check_output_folder
from faceimit.words import plural

DESCRIPTION = """\
Find the face in every frame of every video and write 52 blendshapes, head pose, 478 landmarks and a crop box into a
store that the training reads (data.store=STORE).

It can be stopped at any time; the same command goes on where it was. Files that are in the store and have not changed
are skipped, files that fail are listed with the reason and tried again the next time."""
EXAMPLE = """\
  python -m faceimit.data.example_video talks/talk.mp4
  faceimit-annotate talks --out store
  faceimit-annotate VoxCeleb2 --corpus voxceleb --out store --workers 16
  RAY_ADDRESS=head:6379 faceimit-annotate VoxCeleb2 --corpus voxceleb --out store --engine ray

as a Slurm array of 16 jobs (file annotate.sh, then: sbatch annotate.sh):
  #!/bin/bash
  #SBATCH --array=1-16 --cpus-per-task=8 --time=8:00:00
  faceimit-annotate VoxCeleb2 --corpus voxceleb --out store --shard $SLURM_ARRAY_TASK_ID/16
and, when they have ended, once without --shard to take up what is missing, pack the store and write the report:
  sbatch --dependency=afterany:JOB --cpus-per-task=8 --wrap "faceimit-annotate VoxCeleb2 --corpus voxceleb --out store"
"""
SHOWN = 20  # files of a table on the screen; the report has them all


def main() -> None:
    """The command ``faceimit-annotate``."""
    sys.exit(run_command(command))


def command(arguments: Sequence[str]) -> None:
    """Annotate videos and folders into a store and say what became of each.

    Raises:
        InputError: bad arguments, no video, none that could be annotated, a store that cannot be written.
    """
    args = _parser().parse_args(arguments)
    index, count = parse_shard(args.shard)
    check_output_folder("--out", args.out, args.videos)
    listing = _listing(args)
    sources = shard(listing.sources, index, count)
    spec, begun = AnnotatorSpec(args.annotator, args.model), time.monotonic()
    try:
        report = annotate(sources, args.out, spec, args.workers, args.engine, pack=args.shard is None)
    except KeyboardInterrupt:
        print(f"finished clips are in {args.out}, the same command goes on from there", file=sys.stderr)
        raise
    name = "report.json" if args.shard is None else f"report-{index}-of-{count}.json"
    unused = [vars_of(problem) for problem in listing.problems]
    write_json(args.out / name, report.content() | {"unused": unused})
    _show(report, listing.problems)
    if not report.done and not report.skipped and sources:
        raise InputError(
            f"none of {plural(len(sources), 'file')} could be annotated: {report.failed[0]}; "
            f"all reasons are in {args.out / name}"
        )
    print(summary(report, time.monotonic() - begun))
    print(f"  report  {args.out / name}\n  store   {args.out}")


def parse_shard(text: str | None) -> tuple[int, int]:
    """(I, N) of ``I/N``; (1, 1) for None.

    Raises:
        InputError: it is not so written, or I is not one of 1 to N.
    """
    if text is None:
        return 1, 1
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second)):
        raise InputError(f"expected --shard I/N with I from 1 to N but got {text}, try 1/16 to 16/16")
    return int(first), int(second)


def summary(report: Report, seconds: float) -> str:
    """One line: how many files fared how."""
    total = len(report.done) + len(report.skipped) + len(report.failed)
    parts = [f"{len(report.done)} annotated", f"{len(report.skipped)} already in the store"]
    parts.append(f"{len(report.failed)} FAILED" if report.failed else "none failed")
    speed = f", {report.frames / max(seconds, 1e-9):.0f} a second"
    parts[-1] += f"; {plural(report.frames, 'frame')}{speed}" if report.frames else ""
    return f"{plural(total, 'file')}: {', '.join(parts)}"


def _listing(args: argparse.Namespace) -> Listing:
    if args.corpus == "videos":
        return list_corpus("videos", args.videos)
    if len(args.videos) > 1:
        raise InputError(f"expected one folder, the root of {args.corpus}, but got {len(args.videos)} paths")
    return list_corpus(args.corpus, args.videos[0])


def _show(report: Report, unused: Sequence[Problem]) -> None:
    tables = {"failed": report.failed, "not used": list(unused), "annotated, but": report.notes}
    for title, problems in tables.items():
        if problems:
            _show_table(title, sorted(problems, key=str))


def _show_table(title: str, problems: Sequence[Problem]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{title} ({len(problems)})", title_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("reason", overflow="fold")
    for problem in problems[:SHOWN]:
        table.add_row(Text(str(problem.path)), Text(problem.reason))
    if len(problems) > SHOWN:
        table.add_row(f"and {len(problems) - SHOWN} more", "see the report")
    console = Console(stderr=True)
    console.width = max(console.width, 100)
    console.print(table)


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-annotate")
    parser.add_argument(
        "videos", type=Path, nargs="+", metavar="VIDEO_OR_FOLDER", help="videos, folders of videos, or a corpus' root"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="STORE", help="folder of the store, made if need be")
    parser.add_argument(
        "--model", metavar="TASK_FILE", help="the annotator's model file; MediaPipe's is fetched once if none is given"
    )
    parser.add_argument("--corpus", choices=tuple(CORPORA), default="videos", help="layout of the folder")
    parser.add_argument(
        "--workers",
        type=between(int, 1, math.inf),
        metavar="N",
        help="files at a time (default: one for each core, of the cluster's with ray)",
    )
    parser.add_argument("--engine", choices=ENGINES, default="local", help="this machine, or a Ray cluster")
    parser.add_argument(
        "--annotator",
        default=MEDIAPIPE,
        metavar="SPEC",
        help=f"mediapipe, package.module:Class, or a name of the entry-point group {GROUP}",
    )
    parser.add_argument("--shard", metavar="I/N", help="only the I-th of N shares; the store is not packed")
    return parser


if __name__ == "__main__":
    main()
