"""The page of several runs of one task: figures side by side, curves over each other, only the settings that differ."""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import faceimit
from faceimit.errors import InputError
from faceimit.tracking.page import Best, Block, Cell, Figures, Finding, Findings, Fold, Page, Section, Table, Text
from faceimit.tracking.report_figures import bar_figure, curve_figure
from faceimit.tracking.report_findings import monitor
from faceimit.tracking.report_record import RunRecord, flat
from faceimit.tracking.report_run import LEADING_CURVES, STAGE_WORDS, duration, leading_curves
from faceimit.tracking.report_words import STAGES, best, better, headlines, in_order, meaning, said
from faceimit.words import plural

TIMED = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-")  # a folder that was given no name
# of the data: says nothing about the clips that are measured
TRAINING_ONLY = {"steps", "batch_size", "window", "candidates", "augmentation", "workers", "memory", "cache", "root"}
MOST = 12  # runs that one page can hold apart
BARRED = 4  # figures drawn as bars
ABOUT = (
    "versions.faceimit", "commit.id", "commit.dirty", "python", "hardware.processor", "hardware.cores", "hardware.gpus",
    "versions.torch", "versions.numpy",
)  # fmt: skip


def comparison_page(runs: Sequence[RunRecord]) -> Page:
    """The page of two or more runs.

    Raises:
        InputError: too many runs, the same run twice, or runs of different tasks.
    """
    check_comparable(runs)
    named = dict(zip(names_of(runs), runs, strict=True))
    sections = (
        Section("What to know", [Findings(_findings(named), "The runs can be compared: same data, all finished.")]),
        Section("Figures side by side", list(_figures(named))),
        Section("Training curves", list(_curves(named))),
        Section("Settings that differ", list(_differences(named))),
        Section("The runs", list(_runs(named))),
    )
    return Page(
        title=f"{len(runs)} runs side by side",
        sections=[section for section in sections if section.blocks],
        subtitle=f"{runs[0].task}: {', '.join(named)}",
        footer=f"Made by python -m faceimit.report, faceimit {faceimit.__version__}.",
    )


def check_comparable(runs: Sequence[RunRecord]) -> None:
    """Refuse runs whose figures cannot stand side by side.

    Raises:
        InputError: naming what is wrong.
    """
    if len(runs) > MOST:
        raise InputError(f"expected at most {MOST} runs on a page but got {len(runs)}, choose fewer or use a sweep")
    seen: dict[Path, RunRecord] = {}
    for run in runs:
        if run.folder in seen:
            raise InputError(f"run {run.folder} was given twice, give each run once")
        seen[run.folder] = run
    other = next((run for run in runs if run.task != runs[0].task), None)
    if other is not None:
        raise InputError(
            f"run {runs[0].folder} is of {runs[0].task} and {other.folder} of {other.task}, which share no figure; "
            "report each by itself"
        )


def names_of(runs: Sequence[RunRecord]) -> list[str]:
    """Short names that differ: the name somebody gave the folder, else the experiment, with the run's id if need be."""
    short = [str(run.config["experiment"]) if TIMED.match(run.folder.name) else run.folder.name for run in runs]
    ids = [
        run.folder.name.rsplit("-", 1)[-1] if TIMED.match(run.folder.name) else run.folder.parent.name for run in runs
    ]
    named = [name if short.count(name) == 1 else f"{name} {own}" for name, own in zip(short, ids, strict=True)]
    whole = [str(run.folder) for run in runs]
    return named if len(set(named)) == len(named) else whole


def only_seeds_differ(runs: Sequence[RunRecord]) -> bool:
    """The runs are repetitions of one another."""
    same = [{name: value for name, value in flat(run.config).items() if not name.endswith("seed")} for run in runs]
    seeds = {str(run.config["seed"]) for run in runs}
    return len(seeds) == len(runs) > 1 and all(config == same[0] for config in same)


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Dotted settings that are not the same everywhere, with each configuration's value, None where it has none."""
    flats = [flat(config) for config in configs]
    names = dict.fromkeys(name for found in flats for name in found)
    values = {name: [found.get(name) for found in flats] for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def _findings(named: Mapping[str, RunRecord]) -> list[Finding]:
    found = []
    runs = list(named.values())
    apart = [name for name in differences([run.config for run in runs]) if name.startswith("data.")]
    apart = [name for name in apart if name.split(".")[1] not in TRAINING_ONLY]
    measured = {str({name: part for name, part in run.fingerprint.items() if "test" in name}) for run in runs}
    if apart and (len(measured) > 1 or measured == {"{}"}):
        text = f"The runs differ in their data ({', '.join(apart[:4])}{', …' if len(apart) > 4 else ''})."
        advice = "Test figures can be compared only where the test clips are the same."
        found.append(Finding("warn", text, advice))
    elif len(measured - {"{}"}) > 1:
        found.append(Finding("warn", "The fingerprints of the data differ: not the same clips."))
    elif len(measured) > 1:
        found.append(Finding("warn", "Not every run recorded which test clips it saw: they may not be the same."))
    for words, chosen in (
        ("had not ended", [name for name, run in named.items() if not run.finished]),
        ("had uncommitted changes", [n for n, r in named.items() if (r.environment.get("commit") or {}).get("dirty")]),
        ("had no test", [name for name, run in named.items() if run.finished and not run.tested]),
    ):
        if chosen:
            found.append(Finding("warn", f"{', '.join(chosen)} {words}."))
    if only_seeds_differ(runs):
        found.append(Finding("ok", "Only the seeds differ: the mean and the deviation say how sure a figure is."))
    elif len({str(run.config["seed"]) for run in runs}) == 1:
        text = f"One seed each ({runs[0].config['seed']}): small differences may be chance."
        found.append(Finding("warn", text, "Repeat with other seeds."))
    return found


def _figures(named: Mapping[str, RunRecord]) -> Iterator[Block]:
    runs, seeds = list(named.values()), only_seeds_differ(list(named.values()))
    for stage in STAGES[:2]:
        keys = {name for run in runs for name in run.metrics if name.startswith(f"{stage}/")}
        bases = in_order(name.split("/", 1)[1] for name in keys)
        if not bases:
            continue
        rows = [_row(f"{stage}/{base}", runs, seeds) for base in bases]
        extra = ["mean", "deviation"] if seeds else []
        yield Table([f"{STAGE_WORDS[stage]} figure", *named, *extra, "better", "what"], rows)
    first = headlines({name: 0.0 for run in runs for name in run.metrics}, BARRED)
    yield Figures([_bars(name, named) for name in first])


def _row(name: str, runs: Sequence[RunRecord], seeds: bool) -> list[Cell]:
    values = [run.metrics.get(name) for run in runs]
    top = best(name, values)
    cells: list[Cell] = [Best(value) if value is not None and value == top else value for value in values]
    known = [value for value in values if value is not None]
    extra: list[Cell] = []
    if seeds:
        extra = [statistics.fmean(known) if known else None, statistics.stdev(known) if len(known) > 1 else None]
    return [name.split("/", 1)[1], *cells, *extra, better(name), said(name)]


def _bars(name: str, named: Mapping[str, RunRecord]) -> Any:
    values = {run: record.metrics[name] for run, record in named.items() if name in record.metrics}
    alt = f"{name}: {', '.join(f'{run} {value:.4g}' for run, value in values.items())}"
    way = f"{better(name)} is better" if better(name) else ""
    found = meaning(name)
    caption = f"{name}: {said(name)}; {way}." if found else name
    return bar_figure(list(values), {name: list(values.values())}, found.unit if found else "", alt, caption)


def _curves(named: Mapping[str, RunRecord]) -> Iterator[Block]:
    names = list(dict.fromkeys(name for run in named.values() for name in run.curves))
    names = [name for name in names if name.startswith(("train/", "val/"))]
    names = [name for name in names if any(name in r.curves and len(r.curves[name].steps) for r in named.values())]
    if not names:
        yield Text(["None of the runs has logged anything yet."])
        return
    ranked = leading_curves(names, monitor(next(iter(named.values()))))
    figures = [
        curve_figure(
            name, {run: r.curves[name] for run, r in named.items() if name in r.curves and len(r.curves[name].steps)}
        )
        for name in ranked
    ]
    yield Figures(figures[:LEADING_CURVES])
    if len(figures) > LEADING_CURVES:
        yield Fold(plural(len(figures) - LEADING_CURVES, "more curve"), [Figures(figures[LEADING_CURVES:])])


def _differences(named: Mapping[str, RunRecord]) -> Iterator[Block]:
    found = differences([run.config for run in named.values()])
    if found:
        yield Table(["setting", *named], [[name, *(_text(value) for value in row)] for name, row in found.items()])
    else:
        yield Text(["None: all settings are the same."])
    about = differences([run.environment for run in named.values()])
    kept = {name: row for name, row in about.items() if name in ABOUT}
    if kept:
        rows = [[name, *(_text(value) for value in row)] for name, row in kept.items()]
        yield Table(["environment", *named], rows, heading="Code and machine")


def _runs(named: Mapping[str, RunRecord]) -> Iterator[Block]:
    rows: list[list[Cell]] = []
    for name, run in named.items():
        seconds = run.metrics.get("fit/seconds")
        steps = run.metrics.get("fit/steps")
        command = " ".join(str(word) for word in run.environment.get("command", [])[1:])
        time = "" if seconds is None else duration(seconds)
        rows.append([name, str(run.config["seed"]), None if steps is None else int(steps), time, command])
    yield Table(["run", "seed", "steps", "training", "command"], rows)


def _text(value: Any) -> str:
    return "not set" if value is None else str(value)
