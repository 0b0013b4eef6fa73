"""Annotate many files into a store: resumable after any end, idempotent, on one machine or many."""

import contextlib
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faceimit.data.annotators.job import Engine, Job, Outcome
from faceimit.data.annotators.model import model_file
from faceimit.data.annotators.progress import Advance, bar
from faceimit.data.annotators.protocol import MEDIAPIPE, AnnotatorSpec, make_annotator
from faceimit.data.corpora.listing import Problem, Source
from faceimit.data.store import Store
from faceimit.errors import InputError

ENGINES = ("local", "ray")


@dataclass
class Report:
    """What became of every file.

    Attributes:
        annotator: its name, version and the checksum of its model file.
        done: names of the clips annotated now.
        skipped: names of those that were in the store already, unchanged.
        failed: files that could not be annotated.
        notes: files that were, with something worth knowing (damage, no face).
        frames: annotated now.
    """

    annotator: dict[str, str]
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    frames: int = 0

    def add(self, outcome: Outcome) -> None:
        """Take up what became of one file."""
        source, reason = outcome.source, outcome.reason
        if outcome.status == "failed":
            self.failed.append(Problem(source.path, reason.replace(str(source.path), source.path.name)))
            return
        (self.done if outcome.status == "done" else self.skipped).append(source.name)
        self.frames += outcome.frames
        if reason:
            self.notes.append(Problem(source.path, reason))

    def content(self) -> dict[str, Any]:
        """For JSON, every list in a fixed order."""
        failed, notes = (sorted(problems, key=str) for problems in (self.failed, self.notes))
        return {
            "annotator": self.annotator,
            "frames": self.frames,
            "done": sorted(self.done),
            "skipped": sorted(self.skipped),
            "failed": [vars_of(problem) for problem in failed],
            "notes": [vars_of(problem) for problem in notes],
        }


def annotate(
    sources: Sequence[Source],
    store_path: Path,
    spec: AnnotatorSpec,
    workers: int | None = 1,
    engine: str = "local",
    progress: bool = True,
    pack: bool = True,
) -> Report:
    """Annotate files into a store.

    A file whose checksum, annotator, version and model agree with the store's row is skipped; one that fails is listed
    and tried again the next time. Each finished clip is on the disk at once: after a kill the same call goes on.

    Args:
        sources: files, each of another name.
        store_path: folder of the store, made if need be.
        spec: the annotator.
        workers: processes (``local``), or files at a time on the cluster (``ray``); None: as many as there are cores.
        engine: ``local`` or ``ray``.
        progress: show a bar on stderr.
        pack: pack the store at the end; not where other processes still write to it.

    Raises:
        InputError: no such annotator or engine, no model file, a folder that cannot be written or is a store of
            another version.
    """
    spec, report = _checked(spec)
    run = _engine(engine)
    store = Store(store_path)
    _make(store_path)
    known = {info.name: info for info in store.infos()}
    jobs = [Job(source, known.get(source.name)) for source in _named_once(sources, report)]
    with bar(_sizes(jobs), progress) as advance:
        outcomes = run(jobs, store_path.absolute(), spec, workers)
        _collect(outcomes, report, advance)
    if pack:
        store.pack()
    return report


def shard(sources: Sequence[Source], index: int, count: int) -> list[Source]:
    """The share of one of several jobs: every `count`-th file by name, `index` from 1 to `count`."""
    return sorted(sources, key=lambda source: source.name)[index - 1 :: count]


def vars_of(problem: Problem) -> dict[str, str]:
    """A problem for JSON."""
    return {"path": str(problem.path), "reason": problem.reason}


def _collect(outcomes: Generator[Outcome, None, None], report: Report, advance: Advance) -> None:
    with contextlib.closing(outcomes):  # ends the workers, whatever ends this loop
        for outcome in outcomes:
            if outcome.status == "stop":
                raise InputError(outcome.reason)
            report.add(outcome)
            advance(outcome)


def _checked(spec: AnnotatorSpec) -> tuple[AnnotatorSpec, Report]:
    """The spec with its model file found (so that workers do not fetch it each), and an empty report."""
    if spec.kind == MEDIAPIPE:
        spec = AnnotatorSpec(spec.kind, str(model_file(spec.model).absolute()))
    annotator = make_annotator(spec)
    who = {"name": annotator.name, "version": annotator.version, "model_sha256": annotator.model_sha256}
    annotator.close()
    return spec, Report(who)


def _engine(name: str) -> Engine:
    if name == "ray":
        from faceimit.data.annotators.cluster import run_ray

        return run_ray
    if name != "local":
        raise InputError(f"there is no engine {name!r}, choose from {', '.join(ENGINES)}")
    from faceimit.data.annotators.local import run_local

    return run_local


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the store {folder} ({error.strerror or error}), choose another folder"
        ) from error
    try:  # what permissions, mounts and full disks allow is told by writing alone
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(
            f"cannot write into the store {folder} ({error.strerror or error}), choose another folder"
        ) from error


def _named_once(sources: Iterable[Source], report: Report) -> Iterator[Source]:
    """Sources of which each has a name of its own; the others fail."""
    first: dict[str, Source] = {}
    for source in sources:
        other = first.setdefault(source.name, source)
        if other is source:
            yield source
        else:
            reason = f"has the same name in the store as {other.path}, annotate it into another store"
            report.failed.append(Problem(source.path, reason))


def _sizes(jobs: Iterable[Job]) -> dict[Path, int]:
    """Bytes of each file; 0 for one that is gone since it was listed."""
    return {job.source.path: _size(job.source.path) for job in jobs}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
