"""Pages of what is no single training: an evaluation, a sweep, an experiment with its README, a recorded deployment."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import faceimit
from faceimit.errors import InputError
from faceimit.tracking.files import Row, read_rows
from faceimit.tracking.page import Block, Figures, Finding, Findings, Fold, Page, Section, Table, shown
from faceimit.tracking.report_prose import picture, pictures_of, prose
from faceimit.tracking.report_record import flat, is_run, read_json
from faceimit.tracking.report_tables import SHOWN_ROWS, clip_blocks, method_blocks, number, plain_table
from faceimit.tracking.report_words import HEADLINES, better
from faceimit.words import plural

FOOTER = f"Made by python -m faceimit.report, faceimit {faceimit.__version__}."
MOST_PLOTS = 8
MOST_COLUMNS = 14  # of a ranking
LONGEST = 20  # letters of a cell where a row is a column
RANKING = "ranking.csv"
MADE_BY_TABLES = ("seed", "commit", "python", "hardware", "versions")


def evaluation_page(folder: Path) -> Page:
    """Methods on the same clips, as faceimit.evaluate left them.

    Raises:
        InputError: damaged files.
    """
    rows = needed_rows(folder / "results.csv", "evaluate again: python -m faceimit.evaluate checkpoint=CKPT")
    if "method" not in rows[0]:
        raise InputError(f"{folder / 'results.csv'} has no column method, evaluate again or give another folder")
    about = read_json(folder / "results.json", "evaluate again")
    clips = folder / "clips.csv"
    plots = pictures_of(folder)
    sections = (
        Section("What to know", [Findings(list(_evaluation_findings(rows, about, clips.is_file(), bool(plots))))]),
        Section("Methods", list(method_blocks(rows))),
        Section("Clips", list(clip_blocks(needed_rows(clips, "evaluate again"))) if clips.is_file() else []),
        Section("Scores and keyframes", _plots(plots)),
        Section("How it was measured", _stamps(about)),
    )
    facts = [("methods", str(len(rows)))]
    if isinstance(about.get("test"), dict):
        words = {"number": "clips", "true_keyframes": "true keyframes"}
        facts += [(words.get(name, name), shown(value)) for name, value in about["test"].items()]
    first = next(iter(rows[0].values()))
    facts += [(f"{name}, {first}", shown(number(rows[0].get(name)))) for name in HEADLINES if name in rows[0]][:3]
    place = folder.resolve()
    return Page(
        title=f"Evaluation of {place.parent.name if is_run(place.parent) else place.name}",
        sections=[section for section in sections if section.blocks],
        subtitle=f"{', '.join(row['method'] for row in rows[:3])}{' and others' if len(rows) > 3 else ''}, {place}",
        facts=facts,
        footer=FOOTER,
    )


def sweep_page(folder: Path) -> Page:
    """Trials of a sweep, ranked.

    Raises:
        InputError: a damaged ranking.
    """
    rows = needed_rows(folder / RANKING, "run the sweep again")
    plots = [picture(path, f"plot {path.stem.replace('_', ' ')}", path.stem) for path in pictures_of(folder)]
    names = list(rows[0])
    figures = [name for name in names if name.startswith(("val/", "test/"))]
    first = names.index(figures[0]) if figures else len(names)
    # rank, state, metric and parameters, then the figures a reader looks at first; the rest is folded away
    shown_ones = [*names[:first], *(name for name in figures if name.split("/", 1)[1] in HEADLINES)][:MOST_COLUMNS]
    sections = (
        Section("What to know", [Findings(list(_sweep_findings(rows, names[:first], bool(plots))))]),
        Section("Ranking", plain_table([{name: row[name] for name in shown_ones} for row in rows])),
        Section("Plots", [Figures(plots)] if plots else []),
        Section("Everything", [Fold(f"All {plural(len(names), 'column')}", [_upright(rows)])]),
    )
    kept = [section for section in sections if section.blocks]
    name = folder.resolve().name
    return Page(f"Sweep {name}", kept, str(folder.resolve()), [("trials", str(len(rows)))], FOOTER)


def _upright(rows: Sequence[Row]) -> Table:
    """A line for each column of the ranking and a column for each trial, the best first: many columns fit no screen."""
    best = rows[:SHOWN_ROWS]
    names = [name for name in rows[0] if name != "trial" and any(row[name] for row in best)]
    left_out = f"The best {len(best)} of {len(rows)} trials; {RANKING} has them all."
    return Table(
        ["", *(f"trial {row.get('trial', '')}" for row in best)],
        [[name, *(_beginning(_short(row[name])) for row in best)] for name in names],
        caption=left_out if len(best) < len(rows) else "",
    )


def _beginning(text: str) -> str:
    """The beginning of a long cell."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sweep_findings(rows: Sequence[Row], settings: Sequence[str], plots: bool) -> Iterator[Finding]:
    if not plots:
        yield Finding("warn", "There is no plot beside the ranking.")
    if "state" in rows[0]:
        odd = [row for row in rows if row["state"] != "complete"]
        for state in dict.fromkeys(row["state"] for row in odd):
            some = [row for row in odd if row["state"] == state]
            reasons = "; ".join(dict.fromkeys(row["reason"] for row in some if row.get("reason")))
            yield Finding("warn", f"{len(some)} of {plural(len(rows), 'trial')}: {state}.", reasons)
    if not rows[0].get("rank", "1"):
        yield Finding("bad", "No trial has a figure to be ranked by.")
        return
    tried = [name for name in settings if name not in {"rank", "trial", "state"}]
    said = ", ".join(f"{name} {_short(rows[0][name])}" for name in tried if rows[0][name])
    yield Finding("ok", f"Best of {plural(len(rows), 'trial')}: {said or 'the one on top'}.")


def _short(text: str) -> str:
    """A number of many digits as people read it; the files have it whole."""
    return min(text, shown(number(text)) or text, key=len)


def experiment_page(folder: Path) -> Page:
    """An experiment: its README with claim, commands and tables, then every table and plot of the folder.

    Raises:
        InputError: no text in the README, damaged tables or pictures.
    """
    readme = folder / "README.md"
    try:
        title, text, used = prose(readme.read_text(), folder)
    except UnicodeDecodeError as error:
        raise InputError(f"{readme} is no text ({error}), write it as UTF-8") from error
    tables = {path.stem: read_rows(path) for path in sorted(folder.glob("*.csv"))}
    others = [path for path in pictures_of(folder) if path.resolve() not in used]
    sections = (
        Section(
            "What to know",
            [Findings(list(_experiment_findings(folder, tables)), "Its tables are those of its CSV files.")],
        ),
        Section("Claim and results", [text]),
        Section("Plots", _plots(others)),
        Section(
            "All rows",
            [Fold(f"{n}.csv, {plural(len(rows), 'row')}", plain_table(rows)) for n, rows in tables.items() if rows],
        ),
    )
    return Page(
        title=title or folder.resolve().name,
        sections=[section for section in sections if section.blocks],
        subtitle=f"experiment {folder.resolve()}",
        facts=[("tables", str(len(tables))), ("rows", str(sum(map(len, tables.values()))))],
        footer=FOOTER,
    )


def deployment_html(folder: Path) -> str:
    """A recorded deployment, as faceimit-deploy --record shows it itself.

    Raises:
        InputError: no summary beside the recording, or damaged tables.
    """
    from faceimit.runtime.recording import read_recording
    from faceimit.tracking.deployment_page import deployment_page

    path = folder / "summary.json"
    summary = read_json(path, "record the run again")
    if not summary:
        raise InputError(f"{folder} has no summary.json beside its recording, record the run again to its end")
    try:
        return deployment_page(summary, read_recording(folder))
    except KeyError as error:
        raise InputError(f"{path} has no {error.args[0]}, so it is of another version, record the run again") from error


def needed_rows(path: Path, remedy: str) -> list[Row]:
    """Rows of a CSV file that must have some.

    Raises:
        InputError: none.
    """
    rows = read_rows(path)
    if not rows:
        raise InputError(f"{path} has no rows, {remedy}")
    return rows


def _evaluation_findings(rows: Sequence[Row], about: dict[str, Any], clips: bool, plots: bool) -> Iterator[Finding]:
    if "commit" not in about:
        yield Finding("warn", "results.json does not say of which commit it is.")
    if not clips:
        yield Finding("warn", "clips.csv is missing: the errors of each clip are not known.")
    if not plots:
        yield Finding("warn", "There are no plots of scores: they were switched off with plots=0, or deleted.")
    if (about.get("commit") or {}).get("dirty"):
        yield Finding("warn", "The code had changes that were not committed.")
    for row in rows:
        if row.get("note"):
            yield Finding("warn", f"{row['method']}: {row['note']}.")
    name = next((name for name in HEADLINES if name in rows[0]), None)
    known = [(value, row) for row in rows if (value := number(row.get(name or ""))) is not None]
    rivals = [pair for pair in known if pair[1].get("method") != "truth_with_noise" and not pair[1].get("note")]
    if name and rivals:
        value, row = (max if better(name) == "higher" else min)(rivals, key=lambda pair: pair[0])
        yield Finding("ok", f"Best {name}: {row['method']}, {value:.3g}.")


def _experiment_findings(folder: Path, tables: dict[str, list[Row]]) -> Iterator[Finding]:
    if not tables:
        yield Finding("warn", "There is no CSV file: the figures of the text cannot be checked.")
    for name, rows in tables.items():
        if not rows:
            yield Finding("warn", f"{name}.csv is empty.")
        elif "commit" not in rows[0]:
            yield Finding("warn", f"{name}.csv does not say of which commit it is.")
    from faceimit.tracking.readme import filled

    readme = folder / "README.md"
    try:
        stale = filled(readme.read_text(), folder) != readme.read_text()
    except InputError as error:
        yield Finding("bad", f"A table of the README cannot be made anew: {error}.")
        return
    if stale:
        yield Finding(
            "bad", "The tables of the README are not those of the CSV files.", "python -m faceimit.tracking.readme"
        )


def _plots(paths: Sequence[Path]) -> list[Block]:
    shown_ones = [picture(path, f"plot {path.stem.replace('_', ' ')}", path.stem) for path in paths[:MOST_PLOTS]]
    blocks: list[Block] = [Figures(shown_ones)] if shown_ones else []
    if len(paths) > MOST_PLOTS:
        names = ", ".join(path.name for path in paths[MOST_PLOTS:])
        blocks.append(
            Fold(f"{plural(len(paths) - MOST_PLOTS, 'further plot')} in the folder", [Table(["files"], [[names]])])
        )
    return blocks


def _stamps(about: dict[str, Any]) -> list[Block]:
    rows = {name: about[name] for name in MADE_BY_TABLES if name in about}
    found = flat(rows)
    if "c_ref" in about:
        found["c_ref (change that scores 1)"] = about["c_ref"]
    if not found:
        return []
    return [
        Table(
            ["what", "value"],
            [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in found.items()],
        )
    ]
