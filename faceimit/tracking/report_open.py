"""Reports of whatever folder is given: which kind it is, its page and its numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking import report_folders as folders
from faceimit.tracking.evaluations import is_evaluation
from faceimit.tracking.files import read_rows
from faceimit.tracking.report_compare import comparison_page, differences, names_of
from faceimit.tracking.report_findings import best_step, findings_of, monitor
from faceimit.tracking.report_measured import Measured, recorded
from faceimit.tracking.report_record import RunRecord, is_run, read_run
from faceimit.tracking.report_run import run_page

CAN_BE = (
    "a run of faceimit.train, a folder of faceimit.evaluate, of a sweep, of faceimit-deploy --record, or an experiment "
    "with a README.md"
)
Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        html: the page.
        content: the same in numbers.
    """

    html: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """How to report.

    Attributes:
        recompute: measure test clips again from the best checkpoint.
        clips: test clips to draw.
        any_version: read runs of other versions as well.
    """

    recompute: bool = False
    clips: int = 4
    any_version: bool = False


def kind_of(folder: Path) -> str:
    """``run``, ``recording``, ``sweep``, ``evaluation`` or ``experiment``.

    Raises:
        InputError: nothing there, a file, or a folder of something else.
    """
    if not folder.exists():
        raise InputError(f"there is nothing at {folder}, check the path")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, give {_nearest(folder)}")
    if is_run(folder):
        return "run"
    marks = {
        "recording": (folder / "commands.parquet").is_file(),
        "sweep": (folder / folders.RANKING).is_file(),
        "evaluation": is_evaluation(folder),
        "experiment": (folder / "README.md").is_file(),
    }
    for kind, found in marks.items():
        if found:
            return kind
    raise _not_ours(folder)


def report_of(paths: Sequence[Path], wanted: Wanted, advance: Advance = lambda *_: None) -> Report:
    """The report of one folder, or of several runs side by side.

    Args:
        paths: as the user gave them.
        wanted: how.
        advance: hears what is done, how far, of how much.

    Raises:
        InputError: a folder that cannot be reported, or several that are not all runs.
    """
    kinds = [kind_of(path) for path in paths]
    if len(paths) == 1 and kinds[0] != "run":
        return _of_folder(paths[0], kinds[0], wanted)
    for path, kind in zip(paths, kinds, strict=True):
        if kind != "run":
            raise InputError(f"only runs stand side by side but {path} is of kind {kind}, report it by itself")
    runs = [read_run(path, wanted.any_version) for path in paths]
    return _of_run(runs[0], wanted, advance) if len(runs) == 1 else _of_runs(runs, wanted)


def plain(value: Any) -> Any:
    """Nested content as JSON can hold it: what is not finite is null, what is of no plain type is text."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _of_run(run: RunRecord, wanted: Wanted, advance: Advance) -> Report:
    found = recorded(run, wanted.clips)
    if wanted.recompute:
        from faceimit.tracking.report_recompute import measured_again

        found = measured_again(run, wanted.clips, advance)
    advance("writing the page", 0, 1)
    return Report(run_page(run, found).html(), plain({"kind": "run", **_numbers(run, found)}))


def _of_runs(runs: Sequence[RunRecord], wanted: Wanted) -> Report:
    if wanted.recompute:
        raise InputError("--recompute is for one run, leave it out or give a single run")
    names = names_of(runs)
    content = {
        "kind": "runs",
        "runs": {name: _numbers(run, recorded(run)) for name, run in zip(names, runs, strict=True)},
        "differences": differences([run.config for run in runs]),
    }
    return Report(comparison_page(runs).html(), plain(content))


def _of_folder(folder: Path, kind: str, wanted: Wanted) -> Report:
    if wanted.recompute:
        raise InputError(f"--recompute is for runs but {folder} is of kind {kind}, leave it out")
    tables = {path.stem: read_rows(path) for path in sorted(folder.glob("*.csv"))}
    content = {"kind": kind, "path": str(folder.resolve()), "tables": tables}
    if kind == "recording":
        return Report(folders.deployment_html(folder), content)
    pages = {"sweep": folders.sweep_page, "evaluation": folders.evaluation_page, "experiment": folders.experiment_page}
    return Report(pages[kind](folder).html(), content)


def _numbers(run: RunRecord, found: Measured) -> dict[str, Any]:
    tables = run.tables | dict(found.tables)
    findings = findings_of(run, list(tables), bool(found.clips or found.figures))
    return {
        "path": str(run.folder),
        "experiment": run.config["experiment"],
        "task": run.task,
        "seed": run.config["seed"],
        "commit": run.environment.get("commit"),
        "metrics": run.metrics,
        "monitor": monitor(run),
        "best_step": best_step(run),
        "findings": [asdict(finding) for finding in findings],
        "data": {"counts": run.counts, "fingerprint": run.fingerprint},
        "tables": tables,
    }


def _nearest(path: Path) -> str:
    """What the user may have meant by a file."""
    near = next((parent for parent in path.resolve().parents[:3] if is_run(parent)), None)
    return f"its run {near}" if near else "a folder"


def _not_ours(folder: Path) -> InputError:
    """What a folder holds instead, and what to give."""
    runs = sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink() and is_run(child))
    if runs:
        some = " ".join(str(run) for run in runs[-2:])
        return InputError(f"{folder} is a folder of {len(runs)} runs, give one or several of them, such as {some}")
    if (folder / "config.yaml").is_file():
        return InputError(f"{folder} holds a config.yaml alone, a run that never started; train it anew")
    names = sorted(child.name + ("/" if child.is_dir() else "") for child in folder.iterdir())[:6]
    there = ", ".join(names) or "nothing"
    return InputError(f"expected {folder} to be {CAN_BE}, but it holds {there}, check the path")
