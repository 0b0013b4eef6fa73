"""How far the annotation is: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from faceimit.data.annotators.job import Outcome
from faceimit.words import plural

Advance = Callable[[Outcome], None]
LINE_S = 10.0  # between two lines in a log


@contextmanager
def bar(sizes: Mapping[Path, int], shown: bool = True) -> Iterator[Advance]:
    """Call what it yields with every outcome; shares of the work are shares of the bytes.

    Args:
        sizes: bytes of every file.
        shown: nothing is shown otherwise.
    """
    if not shown or not sizes:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _on_terminal(sizes) as advance:
            yield advance
    else:
        yield _in_log(len(sizes))


class _Count:
    """Clips and frames so far."""

    def __init__(self, total: int) -> None:
        self.total, self.clips, self.frames, self.failed = total, 0, 0, 0
        self._start = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        self.clips += 1
        self.frames += outcome.frames
        self.failed += outcome.status == "failed"

    def __str__(self) -> str:
        speed = self.frames / max(1e-9, time.monotonic() - self._start)
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.clips}/{plural(self.total, 'clip')}{failed}, {speed:.0f} frames/s"


@contextmanager
def _on_terminal(sizes: Mapping[Path, int]) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("annotating"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    count = _Count(len(sizes))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(str(count), total=sum(sizes.values()))

        def advance(outcome: Outcome) -> None:
            count.add(outcome)
            progress.update(task, advance=sizes[outcome.source.path], description=str(count))

        yield advance


def _in_log(total: int) -> Advance:
    count, last = _Count(total), time.monotonic()

    def advance(outcome: Outcome) -> None:
        nonlocal last
        count.add(outcome)
        if time.monotonic() - last > LINE_S:
            last = time.monotonic()
            print(f"annotating: {count}", file=sys.stderr, flush=True)

    return advance
