"""Trials on disk: the folder of a sweep is all there is to know about it, so a kill at any moment loses nothing.

A trial's folder is its run folder, with ``trial.json`` (what was chosen, written before it starts), ``history.csv``
(the metric), ``outcome.json`` (written when its process has ended by itself) and ``lock``, which the system holds for
as long as a process trains it, whatever becomes of the sweep.
"""

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faceimit.errors import InputError
from faceimit.sweeping.history import STOPPED, read_history
from faceimit.sweeping.sweepfile import Sweep
from faceimit.tracking.files import write_json, write_text

State = Literal["waiting", "complete", "stopped", "failed"]
INTERRUPTED = 130
# in trial.json
WRITTEN = {"number": int, "chosen": dict, "values": dict, "module": str, "metric": str, "overrides": list}


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        folder: its run folder.
        number: from 0.
        chosen: the optimiser's choice by parameter (:meth:`faceimit.sweeping.space.Parameter.axis`).
        values: what each parameter is set to.
        module: what trains it.
        metric: that it is to log; "" for none.
        overrides: the words of its command line.
    """

    folder: Path
    number: int
    chosen: Mapping[str, Any]
    values: Mapping[str, Any]
    module: str
    metric: str
    overrides: tuple[str, ...]

    @property
    def state(self) -> State:
        """``waiting`` is to be run, or to be continued; ``stopped`` ended early."""
        outcome = _json(self.folder / "outcome.json")
        if outcome is None or "exit" not in outcome:
            return "waiting"
        if outcome["exit"]:
            return "failed"
        return "stopped" if (self.folder / STOPPED).is_file() else "complete"

    @property
    def reason(self) -> str:
        """Why it failed; empty if it has not."""
        return (_json(self.folder / "outcome.json") or {}).get("reason", "")

    def figures(self) -> dict[str, float]:
        """The run's ``metrics.json``."""
        return _json(self.folder / "metrics.json") or {}

    def figure(self, metric: str, maximize: bool) -> float | None:
        """The best figure of its history, as W&B's bayes takes it; of ``metrics.json`` for one without a history."""
        history = read_history(self.folder)
        if history:
            return max(history) if maximize else min(history)
        return self.figures().get(metric)

    def end(self, code: int, reason: str = "") -> None:
        """Write down that its process has ended; an interrupted trial has not, it goes on another time."""
        if code != INTERRUPTED:
            write_json(self.folder / "outcome.json", {"exit": code, "reason": reason})


class SweepFolder:
    """The folder of a sweep: ``sweep.yaml``, ``overrides.json``, ``trials/``.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def opened(self, sweep: Sweep, more: list[str]) -> Iterator[None]:
        """Make it, or go on with it, alone.

        Raises:
            InputError: it is of another sweep, another process is at work in it, or a trial in it is damaged.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path / "lock") as handle:
            if handle is None:
                raise InputError(f"another process works on the sweep in {self.path}, wait for it or choose --out")
            self._claim("sweep.yaml", sweep.text, f"{sweep.path} has changed since the sweep in {self.path} began")
            words = json.dumps(more) + "\n"
            self._claim("overrides.json", words, f"the sweep in {self.path} began with other overrides")
            for trial in self.trials():
                _check(trial, sweep)
            yield

    def trials(self) -> list[Trial]:
        """All trials, by number."""
        paths = sorted(self.path.glob("trials/[0-9]*/trial.json"))
        return [read_trial(path) for path in paths if not path.parent.is_symlink()]

    def add(self, sweep: Sweep, fixed: list[str], chosen: Mapping[str, Any], values: Mapping[str, Any]) -> Trial:
        """Write a new trial down before it starts. Its folder ends in a short id, which is the run's id as well."""
        number = 1 + max((trial.number for trial in self.trials()), default=-1)
        folder = self.path / "trials" / f"{number:04d}-{uuid.uuid4().hex[:6]}"
        overrides = [*fixed, *sweep.overrides(values), _history_override(sweep)]
        about = {"number": number, "module": sweep.module, "metric": sweep.metric, "overrides": overrides}
        write_json(folder / "trial.json", about | {"chosen": dict(chosen), "values": dict(values)})
        return read_trial(folder / "trial.json")

    def _claim(self, name: str, text: str, changed: str) -> None:
        path = self.path / name
        if not path.is_file():
            write_text(path, text)
        elif path.read_text() != text:
            raise InputError(f"{changed}; restore what it was, or choose another folder with --out")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int | None]:
    """An open file that is locked against all other processes, until its last copy is closed; None if it is taken."""
    handle = lock(path)
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def lock(path: Path) -> int | None:
    """As :func:`locked`, for the caller, or the process that inherits it, to close."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _history_override(sweep: Sweep) -> str:
    """Has every trial write its history, and stop when it is time to."""
    settings = {
        "_target_": "faceimit.sweeping.early.SweepHistory",
        "metric": f"'{sweep.metric}'",
        "maximize": str(sweep.maximize).lower(),
        "bands": f"[{','.join(map(str, sweep.bands))}]",
        "eta": sweep.eta,
        "strict": str(sweep.strict).lower(),
    }
    return "+callbacks.sweep={" + ",".join(f"{name}:{value}" for name, value in settings.items()) + "}"


def read_trial(path: Path) -> Trial:
    """A trial from its ``trial.json``.

    Raises:
        InputError: it is missing or damaged.
    """
    content = _json(path) or {}
    if any(not isinstance(content.get(name), kind) for name, kind in WRITTEN.items()):
        raise _damaged(path)
    overrides = tuple(map(str, content["overrides"]))
    return Trial(path.parent, **{name: content[name] for name in WRITTEN} | {"overrides": overrides})


def _check(trial: Trial, sweep: Sweep) -> None:
    """A trial of another file's parameters would end in the middle of the search, or of the ranking."""
    chosen = set() if sweep.method == "grid" else {each.name for each in sweep.varying}
    if set(trial.values) != {each.name for each in sweep.parameters} or set(trial.chosen) != chosen:
        raise _damaged(trial.folder / "trial.json")


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is missing or damaged, delete {path.parent} to have the trial run again")


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None
