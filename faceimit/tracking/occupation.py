"""A run folder belongs to one training at a time, and only to one that has trained."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from faceimit.errors import InputError
from faceimit.tracking.outputs import check_output_folder
from faceimit.tracking.processes import is_first
from faceimit.tracking.runs import Run

LOCK = ".lock"
# how the names begin of what a training writes: a folder named by the user may hold other things
WRITTEN = ("checkpoints", "clock", "config", "data", "diff", "environment", "lock", "media", "metrics", "tables")
LOGGED = ("tensorboard", "wandb")


@contextlib.contextmanager
def occupied(run: Run) -> Iterator[None]:
    """Keep others out of the run's folder; leave it as it was, or not at all, if training ends before its first step.

    Only the first of several processes that train together does so.

    Raises:
        InputError: another training is at work in the folder, or it cannot be written.
    """
    if not is_first():
        yield
        return
    check_output_folder("run_dir", run.folder)
    missing = [path for path in (run.folder, *run.folder.parents) if not path.exists()]
    before = _written(run.folder)
    run.folder.mkdir(parents=True, exist_ok=True)
    with _locked(run.folder / LOCK):
        try:
            yield
        except BaseException:
            if not run.begun:
                _undo(run.folder, missing, before)
            raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock of this process alone: processes that load its data, and may outlive a kill, have no part in it."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    with path.open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise InputError(
                f"another training is at work in {path.parent}, wait for it, stop it, or choose another run_dir"
            ) from error
        except OSError:  # a file system without locks
            pass
        yield


def _written(folder: Path) -> set[Path]:
    """What a training may have written in a folder."""
    ours = [path for path in folder.glob("*") if path.name.lstrip(".").startswith(WRITTEN + LOGGED)]
    return {path for part in ours for path in (part, *part.rglob("*"))}


def _undo(folder: Path, missing: list[Path], before: set[Path]) -> None:
    """Delete what was not there before."""
    if "wandb" in sys.modules:
        from faceimit.tracking.wandb_run import abandon

        abandon()
    if missing:
        shutil.rmtree(folder, ignore_errors=True)
    for path in sorted(_written(folder) - before, reverse=True):  # what a folder holds comes before it
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for parent in missing[1:]:
        with contextlib.suppress(OSError):  # another run has come into it
            os.rmdir(parent)
