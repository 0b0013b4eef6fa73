"""What the commands that write a page share: outputs refused before the work, and a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faceimit.errors import InputError


def check_outputs(paths: Sequence[Path]) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        InputError: a folder, or twice the same name.
    """
    for path in paths:
        if path.is_dir():
            raise InputError(f"output {path} is a folder, give a file name such as {path / 'report.html'}")
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError(f"two outputs have the same name {paths[0]}, give each its own")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr where that is a terminal; call what it yields with what is done, how far, of how much."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
