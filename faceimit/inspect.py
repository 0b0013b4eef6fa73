"""``faceimit-inspect``: what a data set holds, how well it covers, what is wrong with it; text and an HTML report."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faceimit.data.video import FASTEST, SLOWEST
from faceimit.errors import InputError
from faceimit.tracking.cli import CommandParser, between, clip_count, run_command
from faceimit.tracking.files import as_json as json_text
from faceimit.tracking.inspection import Amount, Inspection, inspect_source
from faceimit.tracking.inspection_bundle import bundle_json, bundle_page, inspect_bundle, is_bundle
from faceimit.tracking.inspection_findings import findings_of
from faceimit.tracking.inspection_open import KINDS, open_source
from faceimit.tracking.inspection_report import as_json, page_of
from faceimit.tracking.inspection_sections import duration
from faceimit.tracking.outputs import PAGE_ENDINGS, check_outputs, write_output
from faceimit.tracking.page import WORDS, Finding, Findings
from faceimit.tracking.pages import progress

DESCRIPTION = """\
Inspect a data set before training on it: counts, clip lengths and frame rates, how the values are distributed and how
well they cover their space (and what to record next), whether pictures and labels belong to the same moments, noise
and rounding of the labels, what the splits share, and how much happens.

PATH is an annotation store, the root of a corpus (VoxCeleb, 300VW, CAER, any folder of videos), an Ameca table or
folder, a run folder, a folder of rendered clips, or a bundle of faceimit-export, which is verified and timed. Leaves an
HTML report in one file; its path is printed last."""
EXAMPLE = """\
  python -m faceimit.train experiment=keyframe_multitask profile=tiny
  faceimit-inspect .cache/rendered --out report.html"""
STYLES = {"bad": "bold red", "warn": "yellow", "ok": "green"}


def main() -> None:
    """The command ``faceimit-inspect``."""
    sys.exit(run_command(inspect))


def inspect(arguments: Sequence[str]) -> None:
    """Open, check, write the report, say what was found.

    Raises:
        InputError: bad arguments, nothing there to inspect, outputs that cannot be written.
    """
    args = _parser().parse_args(arguments)
    out = args.out or Path(f"inspect_{args.path.resolve().name}.html")
    check_outputs({"--out": out, "--json": args.json}, [args.path], {"--out": PAGE_ENDINGS})
    pairs = {"names": args.names, "sequence": args.sequence, "fps": args.fps}
    if is_bundle(args.path):
        given = [f"--{name}" for name, value in (pairs | {"data": args.data}).items() if value is not None]
        if given:
            raise InputError(f"{', '.join(given)} is for data sets but {args.path} is a bundle, leave it out")
        inspect_one_bundle(args.path, out, args.json)
        return
    amount = Amount(clips=args.clips, pictured=min(args.clips, Amount.pictured))
    with progress() as advance:
        advance("opening", 0, 1)
        found = inspect_source(open_source(args.path, args.data, pairs), amount, advance)
        advance("writing the report", 0, 1)
        html = page_of(found).html()
    _write(out, html, args.json, as_json(found))
    show(found)
    print(out)


def inspect_one_bundle(path: Path, out: Path, json: Path | None) -> None:
    """The same of an exported bundle, which is verified and timed."""
    with progress() as advance:
        bundle = inspect_bundle(path, advance)
        html = bundle_page(bundle).html()
    _write(out, html, json, bundle_json(bundle))
    show_findings(f"{path}: inference bundle", bundle.findings)
    print(out)


def _write(out: Path, html: str, numbers: Path | None, content: Mapping[str, Any]) -> None:
    if numbers is not None:
        write_output(numbers, json_text(content).encode())
    write_output(out, html.encode())


def show(found: Inspection) -> None:
    """A short summary on the terminal: the counts and the findings, the worst first."""
    from rich.table import Table

    from faceimit.data.checks.counts import split_counts

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("split", "clips", "frames", "duration", "annotated"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for row in split_counts(found.source.facts):
        valid = f"{row.valid_share:.1%}" if row.valid_share == row.valid_share else "-"
        known = row.looked == row.clips
        frames = f"{row.frames:,}" if known else f"{row.frames:,} in {row.looked:,}"
        table.add_row(row.split, f"{row.clips:,}", frames, duration(row.seconds) or "-", valid)
    show_findings(f"{found.source.path}: {found.source.kind}", findings_of(found), table)


def show_findings(title: str, findings: Sequence[Finding], table: object = "") -> None:
    """A title, a table or nothing, and findings, the worst first."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    if table:
        console.print(table)
    for finding in Findings(findings).ranked:
        mark = f"[{STYLES[finding.level]}]{WORDS[finding.level]:>8}[/]"
        console.print(f"{mark}  {escape(finding.text)}", soft_wrap=True)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names with commas between them but got {text!r}")
    return names


def _parser() -> CommandParser:
    parser = CommandParser(DESCRIPTION, EXAMPLE, prog="faceimit-inspect")
    parser.add_argument("path", type=Path, metavar="PATH", help="what to inspect")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="report (default: inspect_NAME.html)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything in numbers")
    parser.add_argument("--data", choices=KINDS, help="how to read PATH, where it does not tell by itself")
    pairs = parser.add_argument_group("Ameca pairs whose table does not say it")
    pairs.add_argument(
        "--names", type=_names, metavar="A,B,...", help='names of values in lists, or "table": in the order of ours'
    )
    pairs.add_argument("--sequence", metavar="COLUMN", help="column that names the recording of each row")
    pairs.add_argument("--fps", type=between(float, SLOWEST, FASTEST), help="frames per second of the recordings")
    parser.add_argument(
        "--clips",
        type=clip_count,
        default=Amount.clips,
        metavar="N",
        help="read at most N clips (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    main()
