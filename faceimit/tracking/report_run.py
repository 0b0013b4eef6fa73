"""The page of one training run: figures, curves, errors of clips, controls and points, and how it was run."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import faceimit
from faceimit.tracking.evaluations import newest
from faceimit.tracking.page import (
    Block,
    Cell,
    Figure,
    Figures,
    Findings,
    Fold,
    Page,
    Prose,
    Section,
    Table,
    Text,
    shown,
)
from faceimit.tracking.report_figures import bar_figure, curve_figure, score_figure
from faceimit.tracking.report_findings import best_step, findings_of, last_step, monitor
from faceimit.tracking.report_measured import Measured
from faceimit.tracking.report_prose import picture
from faceimit.tracking.report_record import Row, RunRecord, flat
from faceimit.tracking.report_tables import clip_blocks, group_bars, method_blocks, plain_table
from faceimit.tracking.report_words import CLASSICAL, STAGES, better, headlines, in_order, meaning, said
from faceimit.words import plural

LEADING_CURVES = 6  # the rest is folded away
KNOWN_TABLES = ("results", "clips", "controls", "landmark_groups")
MOST_DIFF = 20_000  # letters
KEPT_PLOTS = 4  # pictures of an evaluation
VALIDATED = "val_"  # begins the name of a table of the validation
TESTED = "test_"  # begins the name of a picture of the test
STAGE_WORDS = {"test": "test", "val": "validation", "train": "training"}


def run_page(run: RunRecord, found: Measured) -> Page:
    """The page of a run.

    Args:
        run: the run.
        found: of its test clips, recorded or measured again.
    """
    tables = run.tables | dict(found.tables)
    pictured = bool(found.clips or found.figures)
    sections = (
        Section("What to know", [Findings(findings_of(run, list(tables), pictured))]),
        Section("Figures", list(figure_table(run))),
        Section("Training curves", list(curve_blocks(run))),
        Section("Methods on the same clips", list(method_blocks(tables["results"])) if "results" in tables else []),
        Section("Clips", list(_clips(run, found))),
        Section("Controls", _groups(tables, "controls", "control", "Errors of the controls, the worst on top")),
        Section("Points", _groups(tables, "landmark_groups", "group", "Errors of the points, the worst on top")),
        Section("Pictures", list(_pictures(run, found))),
        Section("More tables", [Fold(name, plain_table(run.tables[name])) for name in _others(run)]),
        Section("Data", list(_data(run))),
        Section("How it was run", list(_how(run, found))),
    )
    return Page(
        title=f"{run.config['experiment']} {run.folder.name}",
        sections=[section for section in sections if section.blocks],
        subtitle=f"{run.task}, run folder {run.folder}",
        facts=_facts(run),
        footer=f"Made by python -m faceimit.report, faceimit {faceimit.__version__}.",
    )


def figure_table(run: RunRecord) -> Iterator[Block]:
    """Every figure of the run: of the test, the validation and the training, with what it means."""
    if not run.metrics:
        return
    begins = tuple(f"{stage}/" for stage in STAGES)
    bases = in_order(name.split("/", 1)[1] for name in run.metrics if name.startswith(begins))
    rows: list[list[Cell]] = []
    for base in bases:
        values: list[Cell] = [run.metrics.get(f"{stage}/{base}") for stage in STAGES]
        words = next((text for stage in STAGES if (text := said(f"{stage}/{base}"))), "")
        rows.append([base, *values, better(base) if values[0] is not None or values[1] is not None else "", words])
    caption = "Test: the best checkpoint on the test split. Validation and training: the last that were logged."
    yield Table(["figure", *(STAGE_WORDS[stage] for stage in STAGES), "better", "what"], rows, caption=caption)
    yield from _beside_classical(run)


def curve_blocks(run: RunRecord) -> Iterator[Block]:
    """A picture a figure: the losses of the training, then what was validated."""
    names = [name for name in run.curves if name.startswith(("train/", "val/")) and len(run.curves[name].steps)]
    if not names:
        return
    ranked = leading_curves(names, monitor(run))
    step = best_step(run)
    figures = [
        curve_figure(name, {run.folder.name: run.curves[name]}, step if name.startswith("val/") else None)
        for name in ranked
    ]
    yield Figures(figures[:LEADING_CURVES])
    if len(figures) > LEADING_CURVES:
        yield Fold(plural(len(figures) - LEADING_CURVES, "more curve"), [Figures(figures[LEADING_CURVES:])])


def leading_curves(names: Sequence[str], chosen_by: str | None) -> list[str]:
    """The loss, what picks the checkpoint, then the headlines of the validation, then the rest."""
    first = [name for name in ("train/loss", chosen_by) if name in names]
    val = [f"val/{base}" for base in in_order(name[4:] for name in names if name.startswith("val/"))]
    rest = [name for name in names if name.startswith("train/")]
    return [name for name in dict.fromkeys([*first, *val, *rest]) if name is not None]


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    facts = []
    for name in headlines(run.metrics):
        stage, base = name.split("/", 1)
        found = meaning(name)
        unit = f" {found.unit}" if found and found.unit in {"%", "px"} else ""
        facts.append((f"{base}, {STAGE_WORDS[stage]}", f"{shown(run.metrics[name])}{unit}"))
    if "fit/seconds" in run.metrics:
        facts.append(("training", duration(run.metrics["fit/seconds"])))
    return [*facts, ("steps", f"{int(run.metrics.get('fit/steps', last_step(run))):,}")]


def duration(seconds: float) -> str:
    """``35 s``, ``12 min``, ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _beside_classical(run: RunRecord) -> Iterator[Block]:
    """Bars of ours and of the classical methods, for figures that have both."""
    bases = [
        name.removeprefix("test/")
        for name in run.metrics
        if name.startswith("test/") and all(f"{name}_{other}" in run.metrics for other in CLASSICAL)
    ]
    if bases:
        of = {"ours": "", **{name: f"_{name}" for name in CLASSICAL}}
        series = {who: [run.metrics[f"test/{base}{end}"] for base in bases] for who, end in of.items()}
        alt = "end-point errors of ours, Farneback and DIS: " + "; ".join(
            f"{base} {', '.join(f'{who} {values[i]:.3g}' for who, values in series.items())}"
            for i, base in enumerate(bases)
        )
        caption = "Flow on the test clips beside OpenCV's methods; shorter is better."
        yield Figures([bar_figure(bases, series, "end-point error (px)", alt, caption)])


def _clips(run: RunRecord, found: Measured) -> Iterator[Block]:
    rows, stage = of_test(run.tables | dict(found.tables), "clips")
    if rows:
        yield from clip_blocks(rows, f"{STAGE_WORDS[stage].capitalize()} clips")
    for clip in found.clips:
        yield Figures([score_figure(clip)])
        if clip.name in found.sheets:
            yield found.sheets[clip.name]
    drawn = {clip.name for clip in found.clips}
    if drawn and not found.sheets:
        yield Text(["The faces at these keyframes are not kept with a run: add --recompute for contact sheets."])
    yield from (sheet for name, sheet in found.sheets.items() if name not in drawn)
    if not found.clips:
        plots = sorted((newest(run.folder / "evaluation") / "plots").glob("*.png"))[:KEPT_PLOTS]
        if plots:
            alt = "true score and those of three methods, each with its keyframes"
            pictures = [Figure(path.read_bytes(), f"clip {path.stem}: {alt}", path.stem, wide=True) for path in plots]
            yield Text([f"Scores over time with their keyframes (triangles): {alt}."], heading="Scores")
            yield Figures(pictures)


def of_test(tables: Mapping[str, list[Row]], name: str) -> tuple[list[Row], str]:
    """Rows of the test, of the validation where there was no test yet, and which of the two."""
    rows = tables.get(name)
    return (rows, "test") if rows else (tables.get(f"{VALIDATED}{name}", []), "val")


def _groups(tables: Mapping[str, list[Row]], name: str, label: str, caption: str) -> list[Block]:
    rows, stage = of_test(tables, name)
    if not rows:
        return []
    prefix = "" if stage == "test" else VALIDATED
    sets = {
        key.removeprefix(f"{prefix}{name}_"): other
        for key, other in tables.items()
        if key.startswith(f"{prefix}{name}_")
    }
    for kind, other in sets.items():  # errors of the same controls on other pictures
        values = {row[label]: row.get("MAE", "") for row in other if label in row}
        rows = [row | {f"MAE_{kind}": values.get(row[label], "")} for row in rows]
    column = label if label in rows[0] else next(iter(rows[0]))
    return group_bars(rows, column, caption.partition(",")[0].lower(), f"{caption}; {STAGE_WORDS[stage]}.")


def _pictures(run: RunRecord, found: Measured) -> Iterator[Block]:
    if found.figures:
        yield Figures(found.figures)
        return
    tested = [name for name in run.pictures if name.startswith(TESTED)]
    names = [name for name in run.pictures if f"{TESTED}{name}" not in tested]
    if names:
        yield Text(["Kept by the logger: of the test where its name says so, else of the last validation."])
        yield Figures([_kept(name, run.pictures[name]) for name in names])


def _kept(name: str, path: Path) -> Figure:
    stage, base = ("test", name.removeprefix(TESTED)) if name.startswith(TESTED) else ("validation", name)
    words = {"score": "true and predicted score of a clip", "flow": "the flow between two frames"}
    words |= {"landmarks": "exact points and ours on a face", "controls": "true and predicted controls of a picture"}
    text = words.get(base, base.replace("_", " "))
    return picture(path, f"{text}, {stage}", f"{base}, {stage}: {text}.", wide=False)


def _others(run: RunRecord) -> list[str]:
    known = {f"{stage}{name}" for name in KNOWN_TABLES for stage in ("", VALIDATED)}
    return [name for name in run.tables if name not in known and not name.startswith("controls_")]


def _data(run: RunRecord) -> Iterator[Block]:
    if not run.counts and not run.fingerprint:
        target = run.config["data"].get("_target_", "the data")
        yield Text([f"data.json is missing: how much {target} held, and which clips, is not known."])
        return
    counted = {name: value for name, value in run.counts.items() if "/" in name}
    kinds = list(dict.fromkeys(name.split("/", 1)[1] for name in counted))
    splits = list(dict.fromkeys(name.split("/", 1)[0] for name in counted))
    if counted:
        yield Table(["split", *kinds], [[s, *(_cell(counted.get(f"{s}/{kind}")) for kind in kinds)] for s in splits])
    rest = {name: value for name, value in run.counts.items() if "/" not in name}
    if rest:
        yield Table(["of the data", "value"], [[name, _cell(value)] for name, value in rest.items()])
    if run.fingerprint:
        names = list(dict.fromkeys(name for part in run.fingerprint.values() for name in part))
        rows = [[part, *(_cell(values.get(name)) for name in names)] for part, values in run.fingerprint.items()]
        yield Table(["part", *names], rows, heading="Fingerprint", caption="Equal digests mean equal data.")


def _how(run: RunRecord, found: Measured) -> Iterator[Block]:
    environment = run.environment
    command = [str(word) for word in environment.get("command", [])]
    commit, hardware = environment.get("commit") or {}, environment.get("hardware") or {}
    rows: list[list[Cell]] = [
        ["command", shlex.join(command)],
        ["overrides", " ".join(word for word in command[1:] if "=" in word)],
        ["seed", str(run.config["seed"])],
        ["profile", str(run.config.get("profile", ""))],
        ["commit", str(commit.get("id") or "unknown")],
        ["uncommitted changes", {"True": "yes", "False": "no"}.get(str(commit.get("dirty")), "unknown")],
        ["python", str(environment.get("python", ""))],
        ["hardware", _machine(hardware)],
        ["best checkpoint", _checkpoint(run)],
        ["continued", f"{run.resumed} times" if run.resumed else ""],
        ["measured again", found.note],
    ]
    yield Table(["what", "value"], [row for row in rows if row[1]])
    versions = environment.get("versions") or {}
    if versions:
        yield Fold("Versions", [Table(["package", "version"], [[name, str(v)] for name, v in versions.items()])])
    yield Fold("All settings", [Table(["setting", "value"], [[n, str(v)] for n, v in flat(run.config).items()])])
    if run.diff:
        cut = "" if len(run.diff) <= MOST_DIFF else f"\n… {len(run.diff) - MOST_DIFF:,} more letters in diff.patch"
        yield Fold("Changes that were not committed", [Prose(f"<pre>{escape(run.diff[:MOST_DIFF] + cut)}</pre>")])


def _checkpoint(run: RunRecord) -> str:
    name, step = monitor(run), best_step(run)
    if run.checkpoint is None:
        return "none"
    chosen = f", chosen by {name} at step {step:,}" if name and step is not None else ""
    return f"{run.checkpoint.relative_to(run.folder)}{chosen}"


def _machine(hardware: dict[str, Any]) -> str:
    if not hardware:
        return ""
    gpus = ", ".join(str(name) for name in hardware.get("gpus") or []) or "no GPU"
    about = f"{hardware.get('cores', '?')} cores, {hardware.get('memory_gib', '?')} GiB, {gpus}"
    return f"{hardware.get('processor', '')}, {hardware.get('system', '')}, {about}".lstrip(", ")


def _cell(value: Any) -> Cell:
    if isinstance(value, bool) or value is None:
        return str(value) if value is not None else None
    return value if isinstance(value, int | float | str) else str(value)
