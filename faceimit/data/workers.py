"""Processes that work for a command: they end with it, leave nothing half-written and say nothing about it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from faceimit.errors import InputError

PATIENCE_S = 5.0  # to leave what is under way


class Deaf(SpawnProcess):
    """A process that never hears Ctrl-C, which a terminal sends to everybody: whoever started it ends it."""

    def start(self) -> None:
        """Begin, with Ctrl-C blocked from birth: in the midst of its imports it would print a traceback."""
        resource_tracker.ensure_running()  # which unblocks signals when it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Team(ProcessPoolExecutor):
    """Processes that can be ended in the midst of a job."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As of a pool."""
        return super().submit(_job, fn, *args, **kwargs)


class Workers(SpawnContext):
    """Of ``multiprocessing``: starts processes that are :class:`Deaf`."""

    Process = Deaf  # type: ignore[assignment]


@contextmanager
def team(workers: int, prepare: Callable[[], object] | None = None) -> Iterator[ProcessPoolExecutor]:
    """Processes for many jobs; what ends the block early, Ctrl-C above all, ends them and the jobs they are at.

    Args:
        workers: how many.
        prepare: called in each of them at first; picklable.

    Raises:
        InputError: one of them was killed.
    """
    others = set(multiprocessing.active_children())
    with _Team(workers, Workers(), _begin, (prepare,)) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(set(multiprocessing.active_children()) - others)
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    f"one of {workers} working processes was killed (out of memory?), try fewer of them"
                ) from error
            raise


def die_with_parent() -> None:
    """End this process when the one that started it has, even by kill -9: nobody else would."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _begin(prepare: Callable[[], object] | None) -> None:
    die_with_parent()
    if prepare is not None:
        prepare()
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _job(do: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """One job; ended in its midst it is unwound, so that its temporary files go, and no other begins."""
    try:
        return do(*args, **kwargs)
    except SystemExit:
        os._exit(128 + signal.SIGTERM)


def _end(processes: set[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
