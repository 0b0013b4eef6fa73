"""What the reader of a run's report should know first: what was found, and what the folder lacks."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from faceimit.tracking.page import Finding
from faceimit.tracking.report_record import RunRecord
from faceimit.tracking.report_tables import CEILING, number
from faceimit.tracking.report_words import CLASSICAL, better, headlines
from faceimit.words import plural

# what picks the best checkpoint, by its name in the log; the first that a run has
MONITORS = ("val/score", "val/NME", "val/EPE", "val/loss")
PICKED = 0.6  # of the steps: a checkpoint from before is an early one


def findings_of(run: RunRecord, tables: Sequence[str], pictured: bool) -> list[Finding]:
    """All findings.

    Args:
        run: the run.
        tables: names of the tables at hand, of the run or measured again.
        pictured: test clips are at hand to be drawn.
    """
    return [*_state(run), *_record(run), *_training(run), *_rivals(run), *_missing(run, tables, pictured)]


def monitor(run: RunRecord) -> str | None:
    """Name of the figure that picked the best checkpoint."""
    asked = run.config.get("monitor")
    names = (str(asked).split()[0], *MONITORS) if asked else MONITORS
    return next((name for name in names if name in run.curves), None)


def best_step(run: RunRecord) -> int | None:
    """Step of the best validation."""
    name = monitor(run)
    if name is None or not len(run.curves[name].values):
        return None
    curve = run.curves[name]
    place = curve.values.argmax() if better(name) == "higher" else curve.values.argmin()
    return int(curve.steps[place])


def last_step(run: RunRecord) -> int:
    """The last step that was logged."""
    return max((int(curve.steps[-1]) for curve in run.curves.values() if len(curve.steps)), default=0)


def _state(run: RunRecord) -> Iterator[Finding]:
    if not run.finished:
        done = f"after {last_step(run):,} steps" if run.curves else "before its first step was logged"
        yield Finding(
            "warn",
            f"The training had not ended when this page was made, {done}.",
            f"If nothing runs any more, continue it: python -m faceimit.train resume={run.folder}",
        )
    elif not run.tested:
        yield Finding("warn", "There was no test: the figures are of the clips that chose the checkpoint as well.")
    if run.checkpoint is None:
        yield Finding("bad", "There is no checkpoint.", "Nothing can be measured again or deployed from this folder.")
        return
    for path in sorted(run.checkpoint.parent.glob("*.ckpt")):
        if not _whole(path):
            advice = "Nothing can be measured again or deployed from it."
            yield Finding("bad", f"{path.name} is no checkpoint or is damaged.", advice)


def _whole(checkpoint: Path) -> bool:
    """Whether a checkpoint, which is a zip archive, has all of its bytes as they were written."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _record(run: RunRecord) -> Iterator[Finding]:
    commit = run.environment.get("commit") or {}
    if not run.environment:
        yield Finding("warn", "environment.json is missing: seed, commit, versions and hardware are not known.")
    elif commit.get("id") is None:
        yield Finding("warn", "The commit is not known: the code ran outside of a checkout.")
    elif commit.get("dirty"):
        kept = (
            "They are listed below." if run.diff else "They were not recorded, so the run cannot be repeated exactly."
        )
        yield Finding("warn", f"The code had changes that were not committed. {kept}")


def _training(run: RunRecord) -> Iterator[Finding]:
    name, step = monitor(run), best_step(run)
    if name is None or step is None:
        return
    steps = run.curves[name].steps
    if len(steps) >= 3 and step == steps[-1]:
        advice = "Training longer should help: budget.epochs, budget.minutes."
        yield Finding("warn", f"{name} was best at the last validation (step {step:,}).", advice)
    elif len(steps) >= 3 and step < PICKED * steps[-1]:
        text = f"{name} was best at step {step:,} of {int(steps[-1]):,} and no better later."
        yield Finding("warn", text, "More data, more regularisation or a shorter training may help.")


def _rivals(run: RunRecord) -> Iterator[Finding]:
    """Ours beside classical methods, where both were measured on the same clips."""
    for name in CLASSICAL:
        ours, theirs = run.metrics.get("test/EPE"), run.metrics.get(f"test/EPE_{name}")
        if ours is not None and theirs is not None:
            level = "ok" if ours <= theirs else "bad"
            yield Finding(level, f"End-point error {ours:.3f} px, {name} {theirs:.3f} px.")  # type: ignore[arg-type]
    rows = run.tables.get("results", [])
    if len(rows) < 2 or "F1" not in rows[0] or "method" not in rows[0]:
        return
    ours = number(rows[0]["F1"])
    rivals = [row for row in rows[1:] if row["method"] != CEILING and not row.get("note")]
    top = max(rivals, key=lambda row: number(row["F1"]) or 0.0, default=None)
    theirs = number(top["F1"]) if top else None
    if top is not None and ours is not None and theirs is not None:
        text = f"F1 {ours:.3f} on the test clips; the best of {plural(len(rivals), 'other')}, {top['method']}"
        yield Finding("ok" if ours > theirs else "bad", f"{text}, {theirs:.3f}.")


def _missing(run: RunRecord, tables: Sequence[str], pictured: bool) -> Iterator[Finding]:
    """What the folder lacks, and how to get it."""
    again = "Add --recompute to measure it now from the best checkpoint."
    checkpoint = run.checkpoint
    if not run.metrics:
        yield Finding("warn", "There is no metrics.json yet: no validation has ended.")
    if not run.curves:
        yield Finding("warn", "There is no metrics.csv: no training curves.")
    if run.task == "KeyframeTask":
        if not {"clips", "val_clips"} & set(tables):
            yield Finding("warn", "The errors of each clip were not recorded.", again)
        if not pictured:
            yield Finding("warn", "No scores of test clips were recorded: no plots, no contact sheets.", again)
        if "results" not in tables and checkpoint is not None:
            advice = f"python -m faceimit.evaluate checkpoint={checkpoint}"
            yield Finding("warn", "No other method was measured on the same clips.", advice)
    if run.task == "ControlTask" and not {"controls", "val_controls"} & set(tables):
        yield Finding("warn", "The error of each control was not recorded.", again)
    if run.task == "LandmarkTask" and not {"landmark_groups", "val_landmark_groups"} & set(tables):
        yield Finding("warn", "The error of each group of points was not recorded.", again)
    if run.task == "FlowTask" and not pictured and not {"flow", "test_flow"} & set(run.pictures):
        yield Finding("warn", "No picture of the flow was kept.", again)
    if not headlines(run.metrics) and run.metrics:
        yield Finding("warn", "metrics.json has no figure of a test or validation.")
