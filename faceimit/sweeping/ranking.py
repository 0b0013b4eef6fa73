"""What a sweep leaves: its trials from best to worst, on the screen, as CSV and as parallel coordinates."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.sweeping.sweepfile import Sweep
from faceimit.sweeping.trials import Trial
from faceimit.tracking.files import write_bytes, write_text

Ranked = list[tuple[Trial, float | None]]
SHOWN = 20  # rows of the table on the screen; the CSV has them all
DONE = ("complete", "stopped")
RANKING, PLOT = "ranking.csv", "parallel_coordinates.png"


def ranked(sweep: Sweep, trials: Sequence[Trial]) -> Ranked:
    """Trials with their figures: the best first, then those stopped early, then those without a figure."""

    def place(row: tuple[Trial, float | None]) -> tuple[int, float, int]:
        trial, value = row
        if value is None:
            return 2, 0.0, trial.number
        return int(trial.state != "complete"), -value if sweep.maximize else value, trial.number

    rows = [(t, t.figure(sweep.metric, sweep.maximize) if t.state in DONE else None) for t in trials]
    return sorted(rows, key=place)


def write_ranking(folder: Path, sweep: Sweep, trials: Sequence[Trial]) -> Ranked:
    """Write ``ranking.csv`` (one row a trial, with every figure, seed and commit) and, where a trial has a figure,
    ``parallel_coordinates.png``.

    Raises:
        InputError: the folder cannot be written.
    """
    rows = ranked(sweep, trials)
    figures = sorted({name for trial in trials for name in trial.figures() if name.startswith(("val/", "test/"))})
    names = [each.name for each in sweep.parameters]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = ["rank", "trial", "state", f"best {sweep.metric}" if sweep.metric else "best"]
    writer.writerow([*head, *names, *figures, "fit/seconds", "seed", "commit", "reason", "run"])
    for rank, (trial, value) in enumerate(rows, start=1):
        found = trial.figures()
        values = [trial.values[name] for name in names]
        measured = [_short(found.get(name)) for name in (*figures, "fit/seconds")]
        run = trial.folder.relative_to(folder).as_posix()
        head = [rank if value is not None else "", trial.number, trial.state, _short(value)]
        writer.writerow([*head, *values, *measured, *_origin(trial), trial.reason, run])
    write_text(folder / RANKING, text.getvalue())
    if any(value is not None for _, value in rows):
        from faceimit.sweeping.coordinates import parallel_coordinates

        write_bytes(folder / PLOT, parallel_coordinates(sweep, rows))
    return rows


def show(sweep: Sweep, rows: Ranked) -> None:
    """Print the best trials on stderr."""
    from rich.console import Console
    from rich.table import Table

    goal = "highest" if sweep.maximize else "lowest"
    table = Table(title=f"{sweep.name}: trials by {sweep.metric or 'number'} ({goal} first)", title_justify="left")
    beside = beside_metric(sweep.metric, rows)
    for name in ("", "trial", "state", *([sweep.metric] if sweep.metric else []), *beside):
        table.add_column(name, justify="right", no_wrap=True)
    for each in sweep.varying:
        table.add_column(each.name, no_wrap=True)
    for rank, (trial, value) in enumerate(rows[:SHOWN], start=1):
        figures = [_short(trial.figures().get(name)) for name in beside]
        measured = [*([_short(value)] if sweep.metric else []), *figures]
        values = [_text(trial.values[each.name]) for each in sweep.varying]
        table.add_row(str(rank) if value is not None else "", str(trial.number), trial.state, *measured, *values)
    if len(rows) > SHOWN:
        table.caption = f"and {len(rows) - SHOWN} more in {RANKING}"
    console = Console(stderr=True)
    widest = console.measure(table, options=console.options.update(width=1000)).maximum
    console.width = max(console.width, widest)
    console.print(table)


def beside_metric(metric: str, rows: Ranked) -> list[str]:
    """The figure of the test set that goes with the metric, where the trials were tested."""
    twin = metric.replace("val/", "test/", 1)
    return [twin] if twin != metric and any(twin in trial.figures() for trial, _ in rows) else []


def require_success(rows: Ranked) -> None:
    """A sweep in which every trial failed is bad input.

    Raises:
        InputError: with the reason of the first.
    """
    failed = [trial for trial, _ in rows if trial.state == "failed"]
    if rows and len(failed) == len(rows):
        first = min(failed, key=lambda trial: trial.number)
        number = "the only trial" if len(rows) == 1 else f"all {len(rows)} trials"
        raise InputError(f"{number} failed: {first.reason}; its log is {first.folder / 'log.txt'}")


def _origin(trial: Trial) -> tuple[Any, str]:
    try:
        content = json.loads((trial.folder / "environment.json").read_text())
        return content["seed"], content["commit"]["id"] or ""
    except (OSError, json.JSONDecodeError, KeyError, TypeError):
        return "", ""


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
