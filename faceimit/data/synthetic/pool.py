"""Renders many files at the same time, with a progress bar."""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from faceimit.data.workers import team


def render_all(
    render: Callable[..., None],
    jobs: Sequence[tuple[Any, ...]],
    workers: int,
    warm_up: Callable[[], object],
    label: str,
    done: int = 0,
    progress: bool = True,
) -> None:
    """Call ``render`` for every job; when one fails or the user interrupts, the others end, too.

    Args:
        render: makes one file; picklable.
        jobs: its arguments, one tuple a file.
        workers: processes; below 1 renders in this process.
        warm_up: called once before processes start: compiles here what each of them would compile anew.
        label: of the progress bar.
        done: files that are there already, counted by the bar.
        progress: show the bar.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task(label, total=done + len(jobs), completed=done)
        if workers < 1:
            for job in jobs:
                render(*job)
                bar.advance(task)
            return
        warm_up()
        with team(min(workers, len(jobs)), _single_thread) as pool:
            for future in as_completed([pool.submit(render, *job) for job in jobs]):
                future.result()
                bar.advance(task)


def _single_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
