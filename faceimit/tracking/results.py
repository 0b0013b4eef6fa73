"""What an evaluation leaves: a table on the screen, CSV and JSON, and plots of scores with their keyframes."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.metrics.keyframe import NAMES
from faceimit.tracking.comparison import CEILING, Result, Row, Split, clip_rows
from faceimit.tracking.files import write_bytes, write_json, write_text

COLUMNS = (*NAMES, "correlation")
LOWER_IS_BETTER = ("E_n", "E_n_100", "E_l_ordinal", "E_l_matched", "E_l_near")
DRAWN = 3  # methods in a plot


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr; call what it yields with the name of each method that begins."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("evaluating {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        begun = 0

        def advance(name: str) -> None:
            nonlocal begun
            bar.update(task, description=name, completed=begun)
            begun += 1

        yield advance
        bar.update(task, completed=total)


def write(
    folder: Path,
    results: Sequence[Result],
    test: Split,
    environment: Mapping[str, Any],
    c_ref: float,
    plots: int,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write results.csv, clips.csv, results.json and the plots of the first `plots` test clips.

    `notes` say of a method, by name, what its figures must not be read without.

    Raises:
        InputError: the folder cannot be written.
    """
    stamp = {"seed": environment["seed"], "commit": environment["commit"]["id"] or ""}
    remarks = {result.name: (notes or {}).get(result.name, "") for result in results}
    rows = [rounded(result.row()) | stamp | {"note": remarks[result.name]} for result in results]
    methods = [
        {name: _json_ready(value) for name, value in result.row().items()} | {"note": remarks[result.name]}
        for result in results
    ]
    clips = {"number": len(test.truths), "true_keyframes": sum(len(truth.strong) for truth in test.truths)}
    content = {"c_ref": c_ref, "test": clips, "methods": methods, **environment}
    write_json(folder / "results.json", content)  # first: by it the others are known for an evaluation's
    write_text(folder / "results.csv", as_csv(rows))
    write_text(folder / "clips.csv", as_csv([rounded(row) for row in clip_rows(results, test)]))
    for index in range(min(plots, len(test.truths))):
        name = test.corpus[index].name
        write_bytes(folder / "plots" / f"{name}.png", plot(results, test, index))


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def rounded(row: Row) -> Row:
    """Numbers with 5 decimals, what is not known empty."""
    return {name: value if isinstance(value, str) else _short(value) for name, value in row.items()}


def show(results: Sequence[Result], notes: Mapping[str, str] | None = None) -> None:
    """Print the table; the best of each column is bold, the ceiling and methods with a note (a footnote) aside."""
    notes = notes or {}
    from rich.console import Console
    from rich.table import Table

    footnotes = "\n".join(f"* {name}: {note}" for name, note in notes.items())
    title = "Test clips (identities unseen); search parameters chosen on validation"
    table = Table(title=title, caption=footnotes or None, caption_justify="left")
    table.add_column("method", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right")
    rivals = [result for result in results if result.name not in {CEILING, *notes}]
    best = {name: _best(name, rivals) for name in COLUMNS}
    for result in results:
        cells = [f"{result.errors[name]:.3f}" for name in COLUMNS]
        marked = [f"[bold]{c}[/]" if result.errors[n] == best[n] else c for c, n in zip(cells, COLUMNS, strict=True)]
        table.add_row(f"{result.name} *" if result.name in notes else result.name, *marked)
    console = Console(stderr=True)
    console.width = max(console.width, console.measure(table, options=console.options.update(width=1000)).maximum)
    console.print(table)


def plot(results: Sequence[Result], test: Split, index: int) -> bytes:
    """PNG: the true score of a clip and the scores of the first methods, each with its keyframes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = list(results)[:DRAWN]
    target, fps = test.scores[index], test.corpus.fps[index]
    times = np.arange(len(target)) / fps
    figure, axes = pyplot.subplots(len(shown) + 1, 1, figsize=(10, 1.6 * (len(shown) + 1)), sharex=True, sharey=True)
    strong = list(test.truths[index].strong)
    _curve(axes[0], times, target, strong, "truth", "#22303c")
    for axis, result in zip(axes[1:], shown, strict=True):
        _curve(axis, times, result.scores[index], list(result.keyframes[index]), result.name, "#2a9d8f")
        for frame in strong:
            axis.axvline(times[frame], color="#22303c", alpha=0.25, linewidth=1)
    axes[-1].set_xlabel("seconds")
    figure.suptitle(test.corpus[index].name)
    figure.tight_layout()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    pyplot.close(figure)
    return stream.getvalue()


def _curve(axis: Any, times: np.ndarray, score: np.ndarray, keyframes: list[int], name: str, colour: str) -> None:
    axis.plot(times, score, color=colour, linewidth=1.4)
    axis.plot(times[keyframes], np.asarray(score)[keyframes], "v", color="#e76f51", markersize=6)
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    axis.set_ylim(-0.03, 1.12)
    axis.spines[["top", "right"]].set_visible(False)


def _best(name: str, results: Sequence[Result]) -> float:
    values = [result.errors[name] for result in results if np.isfinite(result.errors[name])]
    if not values:
        return float("nan")
    return min(values) if name in LOWER_IS_BETTER else max(values)


def _short(value: float) -> str:
    return f"{value:.5g}" if np.isfinite(value) else ""


def _json_ready(value: str | float) -> str | float | None:
    return value if isinstance(value, str) or np.isfinite(value) else None
