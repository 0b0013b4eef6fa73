"""Where trials run: processes of this machine, or jobs of a Hydra launcher (joblib, submitit, ray).

Each trial is a process of its own with the very command of the sweep file, so that what one does cannot touch another.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from faceimit.errors import InputError
from faceimit.sweeping.trials import INTERRUPTED, Trial, lock
from faceimit.tracking.child import started
from faceimit.tracking.config import neighbours, quoted
from faceimit.tracking.runs import begun_or_continued

LOG = "log.txt"
WAIT_S = 0.5
PATIENCE_S = 60  # of an interrupted launcher


class Attempt(Protocol):
    """Trials under way."""

    trials: Sequence[Trial]

    def poll(self) -> bool:
        """Whether all of them have ended."""

    def interrupt(self) -> None:
        """Ask them to save and stop."""

    def join(self) -> None:
        """Wait until they have."""


class Launcher(Protocol):
    """Starts trials.

    Attributes:
        slots: attempts at a time.
        batch: trials of an attempt.
    """

    slots: int
    batch: int

    def start(self, trials: Sequence[Trial]) -> Attempt:
        """Begin, or continue."""


class Processes:
    """`jobs` trials at a time on this machine; one begins as soon as another has ended."""

    batch = 1

    def __init__(self, jobs: int) -> None:
        self.slots = jobs

    def start(self, trials: Sequence[Trial]) -> "Process":
        """Begin or continue one trial."""
        return Process(trials[0], threads=max(1, (os.cpu_count() or 1) // self.slots))


class HydraJobs:
    """`jobs` trials at a time through a Hydra launcher; the next batch begins when all of one have ended.

    Args:
        name: an installed launcher, such as joblib, submitit_slurm or ray.
        options: overrides of it, such as ``hydra.launcher.partition=gpu``.
        jobs: trials of a batch.
        folder: of the sweep.

    Raises:
        InputError: there is no such launcher.
    """

    slots = 1

    def __init__(self, name: str, options: Sequence[str], jobs: int, folder: Path) -> None:
        if name not in launchers():
            raise InputError(f"no Hydra launcher {name!r} is installed, {neighbours(name, launchers())}")
        self.name, self.options, self.batch, self.folder = name, list(options), jobs, folder

    def start(self, trials: Sequence[Trial]) -> "HydraBatch":
        """Hand a batch to the launcher."""
        return HydraBatch(self, trials)


class Process:
    """A trial in a process of its own, which is interrupted when this one dies.

    Both hold the trial's lock, this one until the outcome is written: nobody else finds the trial ended, yet waiting.

    Args:
        trial: to begin or to continue.
        threads: that it may compute with, unless OMP_NUM_THREADS says so; None: as many as torch takes.
    """

    def __init__(self, trial: Trial, threads: int | None = None) -> None:
        self.trials: Sequence[Trial] = [trial]
        self._threads = threads
        self._waits = False
        self._lock: int | None = None
        self._process: subprocess.Popen | None = None

    def poll(self) -> bool:
        """Whether it has ended. Where a process of an earlier, killed sweep still trains it, that one is waited for."""
        trial = self.trials[0]
        if self._process is None:
            self._lock = lock(trial.folder / "lock")
            if self._lock is None:
                self._say_whom_we_wait_for()
                return False
            if trial.state != "waiting":
                self._release()
                return True
            self._process = _spawn(trial, self._lock, self._threads)
        code = self._process.poll()
        if code is None:
            return False
        trial.end(*_outcome(trial, code))
        self._release()
        return True

    def wait(self) -> None:
        """Run it to its end, for jobs elsewhere."""
        while not self.poll():
            time.sleep(WAIT_S)

    def interrupt(self) -> None:
        """As Ctrl-C."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def join(self) -> None:
        """Wait for its end, and write it down where it was none by interruption."""
        if self._process is not None:
            self._process.wait()
            self.poll()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
        self._lock = None

    def _say_whom_we_wait_for(self) -> None:
        if not self._waits:
            number = self.trials[0].number
            print(f"trial {number} is still being trained for an earlier call, waiting for that", file=sys.stderr)
        self._waits = True


class HydraBatch:
    """A Hydra multirun whose jobs are trials."""

    def __init__(self, launcher: HydraJobs, trials: Sequence[Trial]) -> None:
        self.trials = trials
        self._log = launcher.folder / "launcher.log"
        folders = ",".join(quoted(str(trial.folder.resolve())) for trial in trials)
        words = [f"hydra/launcher={launcher.name}", *launcher.options, f"trial={folders}"]
        words.append(f"hydra.sweep.dir={quoted(str(launcher.folder.resolve() / 'launcher'))}")
        command = ["-m", "faceimit.sweeping.job", "--multirun", *words]
        with self._log.open("wb") as log:
            self._process = started(command, stdout=log, stderr=subprocess.STDOUT)

    def poll(self) -> bool:
        """Whether the launcher has ended.

        Raises:
            InputError: it failed, with trials left to run another time.
        """
        code = self._process.poll()
        if code is None:
            return False
        if code and any(trial.state == "waiting" for trial in self.trials):
            raise InputError(f"the launcher failed: {_last_words(self._log)}; its log is {self._log}")
        return True

    def interrupt(self) -> None:
        """As Ctrl-C for the launcher; jobs that a cluster has taken go on, and are waited for when the sweep does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def join(self) -> None:
        """Wait for the launcher; one that does not hear is killed."""
        try:
            self._process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def launchers() -> list[str]:
    """Names of the Hydra launchers that are installed."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    Plugins.instance()  # looks for them
    return sorted(name.removesuffix(".yaml") for name in ConfigStore.instance().list("hydra/launcher"))


def _spawn(trial: Trial, handle: int, threads: int | None) -> subprocess.Popen:
    command = ["-m", trial.module, *trial.overrides, begun_or_continued(trial.folder)]
    group = os.environ.get("WANDB_RUN_GROUP") or trial.folder.parents[1].name
    environment = os.environ | {"WANDB_RUN_GROUP": group}
    if threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    with (trial.folder / LOG).open("ab") as log:
        return started(command, env=environment, stdout=log, stderr=subprocess.STDOUT, pass_fds=[handle])


def _outcome(trial: Trial, code: int) -> tuple[int, str]:
    if code == 0:
        if trial.metric and trial.figure(trial.metric, maximize=True) is None:
            return 1, f"it logged no {trial.metric}, or none that is a finite number"
        return 0, ""
    if code in {INTERRUPTED, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM}:
        return INTERRUPTED, ""
    if code < 0:
        return code, f"killed by signal {-code}{' (out of memory?)' if code == -signal.SIGKILL else ''}"
    return code, _last_words(trial.folder / LOG)


def _last_words(path: Path) -> str:
    """The sentence after ``error:``, what Hydra says of a bad setting, or whatever came last."""
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    lines = [line for line in lines if "HYDRA_FULL_ERROR" not in line]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    bad = [number for number, line in enumerate(lines) if line.startswith(("Could not override", "Error "))]
    if bad and not errors:
        return " ".join(lines[bad[-1] : bad[-1] + 2])
    return (errors or lines or ["it said nothing"])[-1]
