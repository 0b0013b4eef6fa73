"""Folders of evaluations: one of its own for each, so that none takes the place of another."""

import itertools
from collections.abc import Iterator
from pathlib import Path

FILES = ("results.json", "results.csv", "clips.csv")


def is_evaluation(folder: Path) -> bool:
    """Whether a folder holds what faceimit.evaluate leaves."""
    return (folder / "results.json").is_file() and (folder / "results.csv").is_file()


def unused(folder: Path) -> Path:
    """Of ``evaluation``, ``evaluation-2``, ``evaluation-3`` ... the first that holds no results."""
    return next(place for place in _numbered(folder) if not any((place / name).exists() for name in FILES))


def newest(folder: Path) -> Path:
    """Of ``evaluation``, ``evaluation-2``, ``evaluation-3`` ... the last before one is missing, else the first."""
    there = list(itertools.takewhile(Path.is_dir, _numbered(folder)))
    return there[-1] if there else folder


def _numbered(folder: Path) -> Iterator[Path]:
    yield folder
    for number in itertools.count(2):
        yield folder.with_name(f"{folder.name}-{number}")
