"""What the scripts under ``experiments/`` share: jobs that are done once, rows that say where they come from."""

import contextlib
import hashlib
import io
import json
import math
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.tracking.child import started
from faceimit.tracking.config import neighbours
from faceimit.tracking.environment import environment
from faceimit.tracking.files import write_json, write_text
from faceimit.tracking.results import as_csv
from faceimit.tracking.runs import begun_or_continued

Row = dict[str, str | float]
DIGITS = 5
INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
NAMED = ("torch", "numpy", "opencv-python-headless", "av", "mediapipe")  # versions that figures depend on most


@dataclass(frozen=True)
class Job:
    """One piece of an experiment.

    Attributes:
        name: by which it can be asked for.
        settings: JSON-ready; what decides the outcome. The same settings are not done twice.
        make: does it, and returns its rows.
    """

    name: str
    settings: Mapping[str, Any]
    make: Callable[[], Sequence[Row]]

    @property
    def key(self) -> str:
        """Short hash of the name and the settings."""
        text = json.dumps({"name": self.name, **self.settings}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def perform(
    jobs: Sequence[Job],
    kept: Path,
    table: Path,
    names: Iterable[str] | None = None,
    finish: Callable[[list[Row]], list[Row]] = list,
    again: bool = False,
) -> list[Row]:
    """Do what is not done yet; the table is written whole after each job, so stopping loses one job at most.

    Args:
        jobs: in the order of the table.
        kept: folder of the finished jobs' rows, one JSON file each.
        table: CSV of the rows of all finished jobs.
        names: of the jobs to do now, several may share one; None: all of them.
        finish: makes the table's rows of all rows so far, such as differences between them.
        again: do those of these names that are done, too.

    Returns:
        The rows of the table.

    Raises:
        InputError: a name that no job has.
    """
    wanted = chosen([job.name for job in jobs], names)
    for job in jobs:
        if job.name in wanted and (again or not _path(kept, job).is_file()):
            print(f"{job.name}: {json.dumps(job.settings)}", flush=True)
            write_json(_path(kept, job), {"name": job.name, **job.settings, "rows": _ready(job.make())})
            _write(table, finish(_finished(jobs, kept)))
    rows = finish(_finished(jobs, kept))
    _write(table, rows)
    return rows


def chosen(valid: Iterable[str], names: Iterable[str] | None) -> set[str]:
    """The names asked for, all of them by default.

    Raises:
        InputError: one that is not valid.
    """
    known = set(valid)
    wanted = known if names is None else set(names)
    for name in sorted(wanted - known):
        raise InputError(f"there is no {name!r}, {neighbours(name, known)}")
    return wanted


def stamp(seed: int) -> Row:
    """Where a row comes from: seed, commit (``+`` where there were changes not committed), versions, hardware."""
    found = environment(seed)
    commit, machine = found["commit"], found["hardware"]
    versions = {"python": found["python"], **_versions()}
    gpus = machine.get("gpus") or []
    return {
        "seed": str(seed),
        "commit": f"{commit['id'] or ''}{'+' if commit['dirty'] else ''}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "hardware": ", ".join([f"{machine['cores']} cores of {machine['processor']}", *gpus]),
    }


def trained(overrides: Sequence[str], folder: Path) -> Path:
    """The run folder of a training that is done once, by a process of its own, whose memory is given back.

    What an interrupted one began goes on.

    Args:
        overrides: of ``faceimit.train``, without ``run_dir``.
        folder: where the run is, or will be.

    Raises:
        InputError: the training failed; it has said why.
        KeyboardInterrupt: it was interrupted.
    """
    if (folder / "metrics.json").is_file():
        return folder
    with _said(f"the training in {folder} has stopped, the same command goes on from there"):
        code = _ended(["-m", "faceimit.train", *overrides, begun_or_continued(folder)])
        if code in INTERRUPTED:
            raise KeyboardInterrupt
    if code:
        raise InputError(f"the training for {folder} ended with exit code {code}, mend what it says above and repeat")
    return folder


def _ended(command: Sequence[str]) -> int:
    """The exit code of this Python with these arguments, which is interrupted when we are, or die, and let save:
    :func:`subprocess.run` would kill it.

    Raises:
        KeyboardInterrupt: we were interrupted.
    """
    with started(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


@contextlib.contextmanager
def _said(word: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(word, file=sys.stderr)
        raise


def metrics(run: Path) -> dict[str, float]:
    """What a run measured, by name."""
    return json.loads((run / "metrics.json").read_text())


def png(figure: Any, dpi: int = 110) -> bytes:
    """A Matplotlib figure as a file's content; the figure is closed."""
    from matplotlib import pyplot

    stream = io.BytesIO()
    figure.tight_layout()
    figure.savefig(stream, format="png", dpi=dpi, bbox_inches="tight")  # legends may stand outside
    pyplot.close(figure)
    return stream.getvalue()


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _path(kept: Path, job: Job) -> Path:
    name = "".join(letter if letter.isalnum() else "_" for letter in job.name)
    return kept / f"{name}-{job.key}.json"


def _finished(jobs: Iterable[Job], kept: Path) -> list[Row]:
    paths = [_path(kept, job) for job in jobs]
    return [row for path in paths if path.is_file() for row in json.loads(path.read_text())["rows"]]


def _ready(rows: Sequence[Row]) -> list[Row]:
    """Numbers with few digits; what is no number is empty."""
    return [{name: value if isinstance(value, str) else _short(value) for name, value in row.items()} for row in rows]


def _short(value: float) -> str | float:
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else ""


def _write(table: Path, rows: list[Row]) -> None:
    if rows:
        columns = dict.fromkeys(name for row in rows for name in row)
        write_text(table, as_csv([{name: row.get(name, "") for name in columns} for row in rows]))
