"""Tables and bars of a report, made of the rows that runs and evaluations leave in CSV files."""

import math
from collections.abc import Iterator, Mapping, Sequence

from faceimit.tracking.page import Best, Block, Cell, Figure, Figures, Fold, Table
from faceimit.tracking.report_figures import bar_figure
from faceimit.tracking.report_record import Row
from faceimit.tracking.report_words import HEADLINES, best, better, in_order, meaning, said
from faceimit.words import plural

CEILING = "truth_with_noise"  # of an evaluation: no rival, but what a scorer with a small error would reach
SHOWN_ROWS = 30
STAMPS = ("seed", "commit", "torch", "opencv", "versions", "note")
COUNTS = ("frames", "true")  # of a clip, no errors
BARRED = 2  # figures drawn as bars


def number(text: str | float | None) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text) if text not in {None, ""} else math.nan
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def numeric(rows: Sequence[Row]) -> list[str]:
    """Columns that hold numbers, and nothing else besides empty cells."""
    names = list(rows[0]) if rows else []
    kept = []
    for name in names:
        cells = [row[name] for row in rows if row[name]]
        if cells and all(number(cell) is not None for cell in cells):
            kept.append(name)
    return kept


def plain_table(rows: Sequence[Row], heading: str = "", caption: str = "", most: int = SHOWN_ROWS) -> list[Block]:
    """All columns of a CSV file; rows beyond `most` are folded away."""
    columns, numbers = list(rows[0]), set(numeric(rows)) - set(STAMPS)  # a seed or a commit is a name
    cells = [[number(row[name]) if name in numbers else row[name] for name in columns] for row in rows]
    return _folded(columns, cells, heading, caption, most)


def method_blocks(rows: Sequence[Row]) -> Iterator[Block]:
    """Methods measured on the same clips (results.csv of an evaluation): the best of each column marked, bars."""
    label = next(iter(rows[0]))
    names = in_order(name for name in numeric(rows) if meaning(name) and name not in STAMPS)
    rivals = [row for row in rows if row[label] != CEILING and not row.get("note")]
    cells: list[list[Cell]] = []
    for row in rows:
        line: list[Cell] = [row[label]]
        for name in names:
            value, top = number(row[name]), best(name, [number(rival[name]) for rival in rivals])
            line.append(Best(value) if value is not None and value == top and row in rivals else value)
        cells.append([*line, row.get("note", "")])
    yield Table([label, *names, "note"], cells, caption="The best of each column is marked.")
    yield from explained(names)
    drawn = [name for name in HEADLINES if name in names][:BARRED]
    yield Figures([_method_bars(rows, label, name) for name in drawn])
    rest = [name for name in rows[0] if name not in {*names, "note"}]
    if len(rest) > 1:
        kept = [{name: row[name] for name in rest} for row in rows]
        yield Fold("Search parameters and stamps of each method", plain_table(kept))


def _method_bars(rows: Sequence[Row], label: str, name: str) -> Figure:
    values = [(number(row[name]), row[label]) for row in rows]
    known = sorted(((v, text) for v, text in values if v is not None), reverse=better(name) == "higher")
    alt = f"{name} of each method: " + ", ".join(f"{text} {value:.3g}" for value, text in known)
    found = {name: [value for value, _ in known]}
    words = meaning(name)
    unit, caption = (words.unit, words.axis) if words else ("", name)
    return bar_figure([text for _, text in known], found, unit, alt, f"{name}, the best on top: {caption}.")


def clip_blocks(rows: Sequence[Row], heading: str = "Errors of each clip") -> Iterator[Block]:
    """Errors of each clip, the worst first; where several methods were measured, beside the best of the others."""
    methods = list(dict.fromkeys(row["method"] for row in rows if row.get("method")))
    ours = [row for row in rows if not methods or row["method"] == methods[0]]
    names = in_order(name for name in numeric(rows) if name not in {*STAMPS, *COUNTS})
    key = worst_first(names)
    if key is not None:
        ours = sorted(ours, key=lambda row: _badness(row, names))
    who = f"Of {methods[0]}; " if methods else ""
    column = next((name for name in ("clip", "name") if name in rows[0]), next(iter(rows[0])))
    others = _best_of_others(rows, column, [name for name in methods[1:] if name != CEILING])
    rest = [name for name in rows[0] if name not in {*names, column, "method", *STAMPS}]
    beside = ["best other F1", "whose"] if others else []
    cells: list[list[Cell]] = [
        [
            row[column],
            *(number(row[name]) for name in names),
            *(others.get(row[column], (None, "")) if others else ()),
            *(row[name] if number(row[name]) is None else number(row[name]) for name in rest),
        ]
        for row in ours
    ]
    caption = f"{who}the clip with the worst {key} on top." if key else who
    columns = [column, *names, *beside, *rest]
    yield from _folded(columns, cells, heading, caption[:1].upper() + caption[1:], SHOWN_ROWS)
    yield from explained(names)


def worst_first(names: Sequence[str]) -> str | None:
    """The figure that clips are ranked by."""
    return next((name for name in HEADLINES if name in names), next((name for name in names if better(name)), None))


def group_bars(rows: Sequence[Row], label: str, what: str, caption: str = "", most: int = 3) -> list[Block]:
    """Bars of the first numeric columns of a table, one group a row: errors of controls, or of groups of points."""
    names = [name for name in numeric(rows) if name not in STAMPS]
    shown = [name for name in names if better(name)][:most] or names[:most]
    if not shown:
        return plain_table(rows)
    ranked = sorted(rows, key=lambda row: -(number(row[shown[0]]) or 0.0))
    series = {name: [number(row[name]) or math.nan for row in ranked] for name in shown}
    top = ranked[0]
    alt = f"{what}: worst {top[label]} with {shown[0]} {number(top[shown[0]]) or math.nan:.3g}"
    first = meaning(shown[0])
    axis = (first.unit or first.text) if first else shown[0].replace("_", " ")
    bars = bar_figure([row[label] for row in ranked], series, axis, alt, caption)
    return [Figures([bars]), Fold("The same as a table", plain_table(ranked))]


def explained(names: Sequence[str]) -> Iterator[Block]:
    """What the columns of a table are, folded away."""
    rows = [[name, better(name), said(name)] for name in names if said(name)]
    if rows:
        yield Fold("What the columns mean", [Table(["column", "better", "what"], rows)])


def _badness(row: Mapping[str, str], names: Sequence[str]) -> tuple[float, ...]:
    """Sorts the worst row first, by the headline figures in turn; one that is not defined is not bad: a clip without
    keyframes, in which none was found, has no F1.
    """
    key = []
    for name in (*HEADLINES, *names):
        if name in names and better(name):
            value = number(row[name])
            key.append(math.inf if value is None else value if better(name) == "higher" else -value)
    return tuple(key)


def _best_of_others(rows: Sequence[Row], column: str, others: Sequence[str]) -> dict[str, tuple[float, str]]:
    """The highest F1 of each clip among these methods, and whose it is."""
    top: dict[str, tuple[float, str]] = {}
    for row in rows:
        value = number(row.get("F1"))
        if row.get("method") in others and value is not None and value > top.get(row[column], (-1.0, ""))[0]:
            top[row[column]] = value, row["method"]
    return top


def _folded(columns: Sequence[str], cells: Sequence[Sequence[Cell]], heading: str, caption: str, most: int) -> list:
    blocks: list[Block] = [Table(columns, cells[:most], heading=heading, caption=caption)]
    if len(cells) > most:
        blocks.append(Fold(plural(len(cells) - most, "more row"), [Table(columns, cells[most:])]))
    return blocks
