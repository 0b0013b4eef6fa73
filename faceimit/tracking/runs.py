"""Run folders: where a training job leaves its checkpoints, metrics, configuration and environment."""

import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from faceimit.errors import InputError, reason
from faceimit.tracking.environment import changes
from faceimit.tracking.files import read_json, write_bytes, write_json, write_metrics, write_text
from faceimit.tracking.processes import is_first, started_apart

# what a resumed run may change: who watches, and how long it trains (by the name of the trainer's argument)
WATCHERS = ("logger", "callbacks", "test")
LENGTH = {
    "budget.epochs": "max_epochs",
    "budget.minutes": "max_time",
    "trainer.max_epochs": "max_epochs",
    "trainer.max_steps": "max_steps",
    "trainer.max_time": "max_time",
}
# where runs go says nothing about a run that is there
PLACES = ("resume", "runs", "run_dir")

PATCH = "diff.patch"

# the folder the first of several training processes has chosen, told to those it starts
SHARED = "FACEIMIT_RUN"


class Run:
    """One run folder.

    Attributes:
        folder: absolute path.
        config: plain, resolved configuration.
        last: the checkpoint to continue from, or None for a new run.
        environment: what it runs on, once recorded.
        begun: whether a step of training was made.
    """

    def __init__(self, folder: Path, config: dict[str, Any], last: Path | None = None) -> None:
        self.folder = folder
        self.config = config
        self.last = last
        self.environment: dict[str, Any] = {}
        self.begun = False

    @property
    def id(self) -> str:
        """Short id, the last part of the folder's name."""
        return self.folder.name.rsplit("-", 1)[-1]

    @property
    def best(self) -> Path:
        """The best checkpoint; the last one when no validation has picked any."""
        best = self.folder / "checkpoints" / "best.ckpt"
        return best if best.is_file() else best.with_name("last.ckpt")

    def record(self, environment: Mapping[str, Any]) -> None:
        """Write ``config.yaml``, ``environment.json`` and what is not committed as ``diff.patch``.

        A resumed run keeps the first and adds to the others, with the trainer's settings, which may have changed.
        """
        self.environment = dict(environment)
        if not is_first():
            return
        resumed = "" if self.last is None else f"-resumed-{datetime.now():%Y%m%d-%H%M%S}"
        if environment["commit"]["dirty"]:
            patch, left_out = changes()
            name = PATCH.replace(".", f"{resumed}.")
            write_bytes(self.folder / name, patch)
            self.environment["commit"] = environment["commit"] | {"patch": name, "left_out": left_out}
        if resumed:
            self.environment["trainer"] = self.config["trainer"]
        else:
            write_text(self.folder / "config.yaml", yaml.safe_dump(self.config, sort_keys=False))
        write_json(self.folder / f"environment{resumed}.json", self.environment)

    def begin(self) -> None:
        """The first step is made: ``latest`` points at this run if it is a new one."""
        self.begun = True
        if self.last is None and is_first():
            _point_latest_at(self.folder)

    def describe(self, counts: Mapping[str, float], fingerprint: Mapping[str, Any]) -> None:
        """Write ``data.json``: numbers of the splits, and what they are made of (:mod:`faceimit.data.fingerprint`).

        A resumed run keeps what it began with, and says on stderr where it has changed.
        """
        path = self.folder / "data.json"
        if not is_first():
            return
        if self.last is None or not path.is_file():
            write_json(path, {"counts": dict(counts), "fingerprint": dict(fingerprint)})
            return
        before = read_json(path).get("fingerprint", {})
        changed = [name for name in fingerprint if fingerprint[name] != before.get(name, fingerprint[name])]
        if changed:
            parts = ", ".join(changed)
            print(f"the data are not those this run began with ({parts}): it will not be what it was", file=sys.stderr)

    def finish(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Write ``metrics.json``."""
        if not is_first():
            return {}
        return write_metrics(self.folder / "metrics.json", metrics)


def open_run(config: dict[str, Any], changed: Mapping[str, Any] | None = None) -> Run:
    """A new run folder for `config`, or with ``config["resume"]`` the run that is there.

    Args:
        config: plain configuration.
        changed: dotted names the user set on the command line, with their values, which a resumed run must agree with.

    Raises:
        InputError: the run to resume is not there, or was trained with other settings; a folder must be named and is
            not, or holds a run.
    """
    if config["resume"] is not None:
        return _resumed(Path(config["resume"]).expanduser().resolve(), config, changed or {})
    shared = os.environ.get(SHARED) if not is_first() else None
    folder = shared or config["run_dir"]
    if folder is None and started_apart():
        raise InputError(
            "processes that srun or torchrun started cannot agree on a folder, give run_dir=FOLDER (or resume=RUN)"
        )
    if folder is None:
        folder = Path(config["runs"]) / config["experiment"] / new_name()
    folder = Path(folder).expanduser().resolve()
    if (folder / "checkpoints").exists() and is_first():
        raise InputError(f"run_dir={folder} holds a run already, continue it with resume={folder} or choose another")
    os.environ[SHARED] = str(folder)
    return Run(folder, config)


def begun_or_continued(folder: Path) -> str:
    """The override by which a run begins in `folder`, or the one that was interrupted there goes on."""
    last = folder / "checkpoints" / "last.ckpt"
    if last.is_file():
        return f"resume={folder}"
    shutil.rmtree(last.parent, ignore_errors=True)  # of an attempt that did not get to its first checkpoint
    return f"run_dir={folder}"


def new_name() -> str:
    """Of a run folder: the time and a short id."""
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{uuid.uuid4().hex[:6]}"


def saved_config(folder: Path) -> dict[str, Any]:
    """The configuration a run was started with.

    Raises:
        InputError: `folder` holds no run, or what is left of one.
    """
    path = folder / "config.yaml"
    try:
        content = yaml.safe_load(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{folder} is not a run folder, it holds no config.yaml: give one that faceimit.train printed"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}), give the folder of a whole run") from error
    needed = {"experiment": str, "seed": int, "data": dict}
    found = content if isinstance(content, dict) else {}
    lacking = ", ".join(name for name, kind in needed.items() if not isinstance(found.get(name), kind))
    if lacking:
        raise InputError(f"{path} is cut short or damaged, it lacks {lacking}: give the folder of a whole run")
    return content


def known_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run that this version of faceimit can train.

    Raises:
        InputError: as :func:`saved_config`; a run of another version, with settings that this one does not know.
    """
    from faceimit.tracking.schema import check

    config = saved_config(folder)
    try:
        check(config)
    except InputError as error:
        path = folder / "config.yaml"
        raise InputError(
            f"{path} does not fit this version of faceimit ({error}): it was changed or damaged, or is of another one"
            f"{_made_by(folder)}"
        ) from error
    return config


def _made_by(folder: Path) -> str:
    """``, faceimit 0.1.0, commit 1a2b3c4 (git checkout 1a2b3c4 brings it back)``; empty, where it is not known."""
    try:
        about = read_json(folder / "environment.json")
        commit, version = about["commit"]["id"], about["versions"]["faceimit"]
    except (InputError, KeyError, TypeError):
        return ""
    back = f", commit {commit[:7]} (git checkout {commit[:7]} brings it back)" if commit else ""
    return f", faceimit {version}{back}"


def _resumed(folder: Path, config: dict[str, Any], changed: Mapping[str, Any]) -> Run:
    saved = known_config(folder)
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise InputError(f"run {folder} has no checkpoints/last.ckpt to continue from, start it anew")
    for name, value in changed.items():
        if name in LENGTH or name.split(".")[0] in (*WATCHERS, *PLACES):
            continue
        before = _select(saved, name)
        if before != value:
            raise InputError(
                f"run {folder} was trained with {name}={before}, not {value}, "
                "resume it without that override or start a new run"
            )
    return Run(folder, _with_changes(saved, config, changed), last)


def _with_changes(saved: dict[str, Any], config: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    merged = saved | {"resume": config["resume"], "trainer": dict(saved["trainer"])}
    for name in changed:
        if name in LENGTH:
            merged["trainer"][LENGTH[name]] = config["trainer"].get(LENGTH[name])
        elif name.split(".")[0] in WATCHERS:
            merged[name.split(".")[0]] = config[name.split(".")[0]]
    return merged


def _select(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _point_latest_at(folder: Path) -> None:
    link = folder.parent / "latest"
    if link.exists() and not link.is_symlink():
        return  # somebody's own file or folder
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        return  # a convenience that some file systems do not have
