"""Annotate in several processes of this machine; one that a file brings down takes no other file with it."""

import contextlib
import faulthandler
import os
import signal
from collections.abc import Generator, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from faceimit.data.annotators.job import Job, Outcome, close_annotator, do
from faceimit.data.annotators.protocol import AnnotatorSpec
from faceimit.data.workers import Workers, die_with_parent

LOG = "workers.log"


def run_local(
    jobs: Iterable[Job], store: Path, spec: AnnotatorSpec, workers: int | None
) -> Generator[Outcome, None, None]:
    """See :class:`faceimit.data.annotators.job.Engine`. What the workers' libraries print is in ``STORE/workers.log``.

    Leaving the iteration early ends the workers; finished clips are in the store by then, the others not at all.
    """
    waiting = iter(jobs)
    team: list[_Worker] = []
    try:
        for job in waiting:
            team.append(_Worker(store, spec))
            team[-1].give(job)
            if len(team) >= (workers or _cores()):
                break
        while team:
            for worker in _ready(team):
                yield worker.take()
                if not worker.alive:
                    team.remove(worker)
                job = next(waiting, None)
                if job is None:
                    continue
                if not worker.alive:
                    worker = _Worker(store, spec)
                    team.append(worker)
                worker.give(job)
            team = _without_idle(team)
    finally:
        for worker in team:
            worker.stop()


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A process that does one job at a time."""

    def __init__(self, store: Path, spec: AnnotatorSpec) -> None:
        context = Workers()
        self.pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(other, store, spec), daemon=True)
        self.process.start()
        other.close()  # or its end would not be noticed
        self.alive = True
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # it has died already: take() finds out
            self.pipe.send(job)

    def take(self) -> Outcome:
        """The outcome of its job, also if it did not live to tell."""
        assert self.job is not None
        source, self.job = self.job.source, None
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.stop()
            return Outcome(source, "failed", f"the process that read it {_end(self.process.exitcode)}")

    def stop(self) -> None:
        self.alive = False
        self.pipe.close()
        # It has the time to end by itself when it has no job, and dies at once in the midst of one.
        if self.job is not None:
            self.process.kill()
        self.process.join()


def _ready(team: list[_Worker]) -> list[_Worker]:
    ready = wait([worker.pipe for worker in team])
    return [worker for worker in team if worker.pipe in ready]


def _without_idle(team: list[_Worker]) -> list[_Worker]:
    for worker in team:
        if worker.job is None:
            worker.stop()
    return [worker for worker in team if worker.alive]


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}: the file is damaged or a library failed, see {LOG} in the store"
    name = signal.Signals(-code).name
    return f"was ended by {name}: the file is damaged, memory ran out or a library failed, see {LOG} in the store"


def _serve(pipe: Connection, store: Path, spec: AnnotatorSpec) -> None:
    """Work until the other end closes."""
    die_with_parent()
    store.mkdir(parents=True, exist_ok=True)
    log = os.open(store / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 2)
    faulthandler.enable()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            break
        pipe.send(do(job, store, spec))
    close_annotator(spec)
