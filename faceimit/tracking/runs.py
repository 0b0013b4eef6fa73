"""Run folders: where a training job leaves its checkpoints, metrics, configuration and environment."""

import os
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from faceimit.errors import InputError
from faceimit.tracking.files import write_json, write_metrics, write_text

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

# the folder the first of several training processes has chosen, told to those it starts
SHARED = "FACEIMIT_RUN"


class Run:
    """One run folder.

    Attributes:
        folder: absolute path.
        config: plain, resolved configuration.
        last: the checkpoint to continue from, or None for a new run.
    """

    def __init__(self, folder: Path, config: dict[str, Any], last: Path | None = None) -> None:
        self.folder = folder
        self.config = config
        self.last = last

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
        """Write ``config.yaml`` and ``environment.json`` (a resumed run keeps the first and adds to the second)."""
        if _rank():
            return
        path = self.folder / "environment.json"
        if self.last is None:
            write_text(self.folder / "config.yaml", yaml.safe_dump(self.config, sort_keys=False))
            write_json(path, environment)
            _point_latest_at(self.folder)
        else:
            write_json(self.folder / f"environment-resumed-{datetime.now():%Y%m%d-%H%M%S}.json", environment)

    def describe(self, data: Any) -> None:
        """Write ``data.json``: what the data module counts of its splits, if it counts."""
        if not _rank() and hasattr(data, "counts"):
            write_json(self.folder / "data.json", data.counts())

    def finish(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Write ``metrics.json``."""
        if _rank():
            return {}
        return write_metrics(self.folder / "metrics.json", metrics)


def open_run(config: dict[str, Any], changed: Mapping[str, Any] | None = None) -> Run:
    """A new run folder for `config`, or with ``config["resume"]`` the run that is there.

    Args:
        config: plain configuration.
        changed: dotted names the user set on the command line, with their values, which a resumed run must agree with.

    Raises:
        InputError: the run to resume is not there, or was trained with other settings.
    """
    if config["resume"] is not None:
        return _resumed(Path(config["resume"]).expanduser().resolve(), config, changed or {})
    shared = os.environ.get(SHARED) if _rank() else None
    folder = shared or config["run_dir"]
    if folder is None:
        name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{uuid.uuid4().hex[:6]}"
        folder = Path(config["runs"]) / config["experiment"] / name
    folder = Path(folder).expanduser().resolve()
    if (folder / "checkpoints").exists() and not shared:
        raise InputError(f"run_dir={folder} holds a run already, continue it with resume={folder} or choose another")
    os.environ[SHARED] = str(folder)
    return Run(folder, config)


def saved_config(folder: Path) -> dict[str, Any]:
    """The configuration a run was started with.

    Raises:
        InputError: `folder` holds no run.
    """
    try:
        return yaml.safe_load((folder / "config.yaml").read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"resume={folder} is not a run folder, give one that faceimit.train printed") from error


def _resumed(folder: Path, config: dict[str, Any], changed: Mapping[str, Any]) -> Run:
    saved = saved_config(folder)
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


def _rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _point_latest_at(folder: Path) -> None:
    link = folder.parent / "latest"
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        return  # a convenience that some file systems do not have
