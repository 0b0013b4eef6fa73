"""Tables of README files, filled from the CSV files of the experiments: ``python -m faceimit.tracking.readme``.

A table stands between two comments, the first of which says where it comes from and which columns it shows::

    <!-- table: experiments/real_clips/results.csv | method: method | F1: F1@2 | E_n: E_n a clip -->
    <!-- end of table -->

Rows with the same first column (seeds) become one, mean ± standard deviation. A filter keeps some rows only:
``| data = synthetic |``. In the README of an experiment the path is relative to its folder.
"""

import argparse
import csv
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from faceimit.errors import InputError
from faceimit.tracking.cli import run_command
from faceimit.tracking.files import write_text

BLOCK = re.compile(r"(<!-- table: (?P<what>[^\n]*?) -->\n)(?P<table>.*?)(?P<end><!-- end of table -->)", re.DOTALL)
MISSING = "*not measured yet*"


def filled(text: str, folder: Path) -> str:
    """`text` with every table made anew from its CSV file, paths relative to `folder`.

    Raises:
        InputError: a column that the file does not have, or none at all.
    """

    def table(match: re.Match[str]) -> str:
        path, *fields = (part.strip() for part in match["what"].split("|"))
        return f"{match[1]}{markdown(folder / path, fields)}\n{match['end']}"

    return BLOCK.sub(table, text)


def markdown(path: Path, fields: Sequence[str]) -> str:
    """A Markdown table of the columns ``name: title`` of a CSV file, of the rows where every ``name = value`` holds.

    Raises:
        InputError: a column that the file does not have, or none at all.
    """
    if not path.is_file():
        return MISSING
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, restval=""))
    filters = [field for field in fields if "=" in field.split(":")[0]]  # a title may hold an equals sign
    wanted = dict(_pair(field, "=") for field in filters)
    columns = dict(_pair(field, ":") for field in fields if field not in filters)
    if not rows:
        return MISSING
    have = f"choose from {', '.join(rows[0])}"
    for name in (*wanted, *columns):
        if name not in rows[0]:
            raise InputError(f"{path} has no column {name!r} for a table of a README, {have}")
    if not columns:
        raise InputError(f"expected the table of {path} in a README to name a column but got none, {have}")
    rows = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    if not rows:
        return MISSING
    first = next(iter(columns))
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row[first], []).append(row)
    lines = [f"| {' | '.join(columns.values())} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(_cell([row[name] for row in group]) for name in columns)} |" for group in groups.values()]
    return "\n".join(lines)


def _pair(field: str, sign: str) -> tuple[str, str]:
    name, _, value = field.partition(sign)
    return name.strip(), value.strip() or name.strip()


def _cell(values: Sequence[str]) -> str:
    """One number with three significant digits, mean ± deviation of several, or the text they share."""
    try:
        numbers = [float(value) for value in values if value]
    except ValueError:
        return ", ".join(dict.fromkeys(values))
    if not numbers:
        return ""
    mean = _number(statistics.fmean(numbers))
    return f"{mean} ± {_number(statistics.stdev(numbers))}" if len(numbers) > 1 else mean


def _number(value: float) -> str:
    if value == int(value) and abs(value) >= 10:
        return f"{int(value)}"
    return f"{value:.{max(0, 2 if abs(value) >= 1 else 3)}f}"


def readmes(root: Path) -> list[Path]:
    """README.md and those of the experiments."""
    return [root / "README.md", *sorted((root / "experiments").glob("*/README.md"))]


def main() -> int:
    """The command: 0 done, 1 with ``--check`` where a table is out of step, 2 where one cannot be made."""
    return run_command(rewrite)


def rewrite(arguments: Sequence[str]) -> None:
    """Rewrite the READMEs, or with ``--check`` say which are out of step.

    Raises:
        InputError: a table that cannot be made.
        SystemExit: 1, out of step.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a table is out of step")
    check = parser.parse_args(arguments).check
    stale = []
    for path in readmes(Path(__file__).resolve().parents[2]):
        before = path.read_text()
        after = filled(before, path.parent)
        if after != before:
            stale.append(path)
            if not check:
                write_text(path, after)
    for path in stale:
        print(f"{path} {'is out of step' if check else 'updated'}")
    if check and stale:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
