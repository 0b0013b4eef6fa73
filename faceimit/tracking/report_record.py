"""A run folder, read for a report: whatever it has; what is broken is an error, what is missing is left empty."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import faceimit
from faceimit.errors import InputError, kind_of
from faceimit.tracking.evaluations import newest
from faceimit.tracking.files import Row, read_rows
from faceimit.tracking.runs import PLACES

# of config.yaml: a run without them was recorded by another version, or is none of ours
EXPECTED = ("experiment", "seed", "task", "data", "trainer")
# a picture's file: named by us, or by wandb with its step and a digest
PICTURE = re.compile(r"(?P<name>.+?)(?:_(?P<step>\d+)_[0-9a-f]{20})?\.(?:png|jpg|jpeg)")


@dataclass(frozen=True)
class Curve:
    """A figure over the training.

    Attributes:
        steps: (N,) int64, rising.
        values: (N,) float64.
    """

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class RunRecord:
    """What a run left.

    Attributes:
        folder: absolute path.
        config: plain configuration.
        environment: seed, command, versions, commit, hardware; {} if it was not written.
        metrics: last figures by name, finite; {} before the first validation.
        curves: by name.
        counts: numbers of the data, such as ``test/clips``.
        fingerprint: by part of the data: items, digest, set; equal ones mean equal data.
        tables: rows by name of the file, without suffix: those of ``tables/`` and of ``evaluation/``.
        scores: scores and keyframes of test clips, as :data:`SCORES` describes; empty if not recorded.
        pictures: newest file by name.
        resumed: how often it was continued.
        diff: changes that were not committed; "" if there were none or they were not recorded.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)
    fingerprint: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)
    resumed: int = 0
    diff: str = ""

    @property
    def task(self) -> str:
        """Name of the class that was trained."""
        return str(self.config["task"].get("_target_", "an unknown task")).rsplit(".", 1)[-1]

    @property
    def checkpoint(self) -> Path | None:
        """The best checkpoint, the last one where no validation has picked any, None where there is neither."""
        found = [self.folder / "checkpoints" / name for name in ("best.ckpt", "last.ckpt")]
        return next((path for path in found if path.is_file()), None)

    @property
    def tested(self) -> bool:
        """The test after the training is among the figures."""
        return any(name.startswith("test/") for name in self.metrics)

    @property
    def finished(self) -> bool:
        """The training came to its end."""
        return "fit/steps" in self.metrics


def is_run(folder: Path) -> bool:
    """`folder` has a configuration and something a training leaves beside it."""
    beside = ("environment.json", "metrics.csv", "metrics.json", "checkpoints")
    return (folder / "config.yaml").is_file() and any((folder / name).exists() for name in beside)


def read_run(folder: Path, any_version: bool = False) -> RunRecord:
    """Read a run folder.

    Args:
        folder: holds a run (:func:`is_run`).
        any_version: read what can be read of a run of another version of faceimit.

    Raises:
        InputError: a file that is damaged, or a run of another version.
    """
    folder = folder.resolve()
    environment = read_environment(folder / "environment.json")
    if not any_version:
        check_version(folder, environment)
    tables = read_tables(newest(folder / "evaluation")) | read_tables(folder / "tables")
    diff = folder / "diff.patch"
    return RunRecord(
        folder=folder,
        config=read_config(folder / "config.yaml"),
        environment=environment,
        metrics=read_metrics(folder / "metrics.json"),
        curves=read_curves(folder / "metrics.csv"),
        **read_data(folder / "data.json"),
        tables=tables,
        scores=read_scores(folder / "tables" / "scores.json"),
        pictures=newest_pictures(folder),
        resumed=len(list(folder.glob("environment-resumed-*.json"))),
        diff=diff.read_text(errors="replace") if diff.is_file() else "",
    )


def read_environment(path: Path) -> dict[str, Any]:
    """What a run ran on; {} where there is no file. Groups of another shape than ours are left out.

    Raises:
        InputError: no JSON object.
    """
    content = read_json(path, "delete it, the report does without, or train the run anew")
    shapes = {"versions": dict, "commit": dict, "hardware": dict, "command": list}
    return {name: value for name, value in content.items() if isinstance(value, shapes.get(name, object))}


def check_version(folder: Path, environment: Mapping[str, Any]) -> None:
    """Refuse a run of another version: figures of the same name may have been measured otherwise.

    Raises:
        InputError: naming both versions.
    """
    versions = environment.get("versions", {})
    theirs = str(versions.get("faceimit", "")) if isinstance(versions, Mapping) else ""
    if theirs and theirs.split(".")[:2] != faceimit.__version__.split(".")[:2]:
        raise InputError(
            f"run {folder} was recorded by faceimit {theirs} and this is {faceimit.__version__}, report it with that "
            "version, or add --any-version to read what can be read"
        )


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        InputError: damaged, or without what every run has.
    """
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is damaged and cannot be read, train the run anew") from error
    missing = [name for name in EXPECTED if not isinstance(config, dict) or name not in config]
    odd = [name for name in ("task", "data", "trainer") if not missing and not isinstance(config[name], dict)]
    if missing or odd:
        what = f"has no {missing[0]}" if missing else f"has a {odd[0]} that is no group of settings"
        raise InputError(f"{path} {what}, so it is of another version or no run, give a folder of faceimit.train")
    return config


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON object; {} where there is no file.

    Raises:
        InputError: no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text())
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path} is no whole JSON file ({error}), {remedy}") from error
    if not isinstance(content, dict):
        raise InputError(f"expected {path} to hold names and values but it holds {kind_of(content)}, {remedy}")
    return content


def read_data(path: Path) -> dict[str, dict[str, Any]]:
    """``counts`` and ``fingerprint`` of ``data.json``, both {} where there is no file.

    Raises:
        InputError: damaged.
    """
    content = read_json(path, "delete it, the report does without")
    found: dict[str, Any] = {name: content.get(name) if content else {} for name in ("counts", "fingerprint")}
    for name, values in found.items():
        if not isinstance(values, dict):
            raise InputError(f"expected {name} in {path} to hold names and values but got {values!r}, delete the file")
    odd = [part for part, values in found["fingerprint"].items() if not isinstance(values, dict)]
    if odd:
        raise InputError(f"expected {odd[0]} of the fingerprint in {path} to hold names and values, delete the file")
    return found


def read_metrics(path: Path) -> dict[str, float]:
    """Figures by name.

    Raises:
        InputError: no whole JSON file of names and numbers.
    """
    remedy = "delete it to report the curves alone, or train the run anew"
    found = read_json(path, remedy)
    for name, value in found.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number:
            raise InputError(f"expected {name} in {path} to be a number but got {value!r}, {remedy}")
    return {name: float(value) for name, value in found.items()}


def read_curves(path: Path) -> dict[str, Curve]:
    """Every column of the logger's CSV by name, but step and epoch; nothing where there is no file.

    Raises:
        InputError: no such CSV, or a cell that is no number.
    """
    if not path.is_file():
        return {}
    points: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(read_rows(path), start=2):
        try:
            step = int(row["step"])
            values = {name: float(text) for name, text in row.items() if text and name not in {"step", "epoch"}}
        except (KeyError, ValueError) as error:
            raise InputError(f"line {number} of {path} is no step with numbers, delete it or train anew") from error
        for name, value in values.items():
            points.setdefault(name, []).append((step, value))
    return {name: _curve(values) for name, values in points.items()}


def read_tables(folder: Path) -> dict[str, list[Row]]:
    """Every CSV of a folder that has rows, by name."""
    found = {path.stem: read_rows(path) for path in sorted(folder.glob("*.csv"))}
    return {name: rows for name, rows in found.items() if rows}


# what a clip of tables/scores.json has: lists of T numbers (null: no face), and lists of frame numbers
SCORES = ("clip", "fps", "score", "target", "keyframes", "true")


def read_scores(path: Path) -> list[dict[str, Any]]:
    """Scores of test clips, NaN where there is no face.

    Raises:
        InputError: damaged.
    """
    remedy = "delete it, or test the run again"
    clips = read_json(path, remedy).get("clips", [])
    if not isinstance(clips, list):
        raise InputError(f"expected clips of {path} to be a list but got {clips!r}, {remedy}")
    found = []
    for clip in clips:
        if not isinstance(clip, dict) or any(name not in clip for name in SCORES):
            raise InputError(f"{path} holds a clip without {', '.join(SCORES)}, {remedy}")
        try:
            found.append(_clip(clip))
        except (TypeError, ValueError) as error:
            raise InputError(f"clip {clip['clip']} of {path} is damaged ({error}), {remedy}") from error
    return found


def _clip(clip: dict[str, Any]) -> dict[str, Any]:
    """With its lists as arrays: score and target (T,) float64, keyframes and true as frame numbers below T."""
    score, target = (np.array([math.nan if x is None else float(x) for x in clip[n]]) for n in ("score", "target"))
    places = {name: [int(frame) for frame in clip[name]] for name in ("keyframes", "true")}
    beyond = [frame for frames in places.values() for frame in frames if not 0 <= frame < len(score)]
    if len(score) != len(target) or not len(score) or beyond or not float(clip["fps"]) > 0:
        raise ValueError(f"{len(score)} scores, {len(target)} targets, frames beyond them: {beyond[:3]}")
    return clip | places | {"score": score, "target": target, "fps": float(clip["fps"])}


def newest_pictures(folder: Path) -> dict[str, Path]:
    """The newest picture of each name that a logger kept in this run."""
    newest: dict[str, tuple[int, Path]] = {}
    places = (*sorted(folder.glob("wandb/*run-*/files/media/images")), folder / "media")
    for place in places:
        for path in sorted(place.glob("**/*")):
            match = PICTURE.fullmatch(path.name)
            if match is None or not path.is_file():
                continue
            name, step = match["name"], int(match["step"] or 0)
            if name not in newest or step >= newest[name][0]:
                newest[name] = step, path
    return {name: path for name, (_, path) in sorted(newest.items())}


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; where the run was kept is left out."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if not prefix and name in PLACES:
            continue
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _curve(points: list[tuple[int, float]]) -> Curve:
    points = sorted((step, value) for step, value in points if math.isfinite(value))
    steps = np.array([step for step, _ in points], dtype=np.int64)
    return Curve(steps, np.array([value for _, value in points], dtype=np.float64))
