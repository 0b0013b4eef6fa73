"""A plain folder of videos, or a list of videos and folders: any depth, any of the known suffixes.

An identity is a top sub-folder (one folder a person), or a file where videos lie in the root itself, or in the one
sub-folder that it has. Folders called ``train``, ``val`` (``valid``, ``validation``, ``dev``) and ``test`` at the top
are the splits, where there are at least two of them; otherwise a seeded share of the identities is taken for
validation and test.
"""

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from faceimit.data.corpora.listing import (
    SPLITS,
    Found,
    Listing,
    Problem,
    Source,
    Split,
    checked_root,
    collect,
    entries,
    holds_video,
    is_video,
    kept_apart,
    shares,
    videos_in,
    walk,
)
from faceimit.errors import InputError

CORPUS = "videos"
SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train",
    "dev": "val",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
Roots = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def list_videos(root: Roots, val: float = 0.1, test: float = 0.1, seed: int = 0, base: Path | None = None) -> Listing:
    """All videos of a folder, or of several files and folders.

    Args:
        root: a folder, a video, or a list of both. Names are relative to the folder, or to the nearest folder that all
            of the list lie in.
        val: fraction of the identities; at least one where there are enough.
        test: as val.
        seed: of that choice.
        base: folder whose sub-folders are people where only some of its videos are given; None: the nearest one that
            all of the list lie in.

    Raises:
        InputError: a path that does not exist, or no video at all.
    """
    given = [root] if isinstance(root, str | os.PathLike) else list(root)
    paths = [_existing(path) for path in given]
    if not paths:
        raise InputError("expected a video or a folder of videos but got an empty list")
    if base is None:
        base = Path(os.path.commonpath([path if path.is_dir() else path.parent for path in paths]))
    level = _people_level(base) if paths == [base] else ""
    asked = ", ".join(str(path) for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    return replace(collect(CORPUS, base, find(base, paths, val, test, seed, level), asked), people=base / level)


def _existing(path: str | os.PathLike[str]) -> Path:
    absolute = Path(os.path.abspath(Path(path).expanduser()))
    return absolute if absolute.is_file() else checked_root(absolute, "videos")


def find(base: Path, paths: Sequence[Path], val: float, test: float, seed: int, level: str = "") -> Found:
    """Videos of files and folders below a base folder, one folder in memory at a time; people lie below `level`."""
    splits = _Splits(base / level, [base / level] if level else paths, val, test, seed)
    once, problems = _Once(base, paths), [*splits.problems, *_no_videos(paths)]
    for place, folder, files in _groups(base, paths, problems):
        for name, path in _named(place, folder, files, problems):
            other = once.same(path)
            if other is not None:
                problems.append(Problem(path, f"another name of {other}, which is used once"))
                continue
            below = place.removeprefix(level).strip("/")
            identity, split = splits.of([*(below.split("/") if below else []), path.stem])
            yield Source(name, path, identity, split)
    yield from problems


def _no_videos(paths: Iterable[Path]) -> Iterator[Problem]:
    """The files given one by one that are no videos by their names; in a folder such files are nothing to speak of."""
    for path in paths:
        if path.is_file() and not list(videos_in(path.parent, [path.name])):
            yield Problem(path, "its name does not end as a video's does, such as .mp4")


def _named(place: str, folder: Path, files: Iterable[str], problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    """(name, path) of the videos in a folder; two that differ in the suffix alone keep it in their names."""
    found = list(videos_in(folder, files))
    problems.extend(item for item in found if isinstance(item, Problem))
    videos = [item for item in found if isinstance(item, Path)]
    stems = Counter(path.stem for path in videos)
    for path in videos:
        yield posixpath.join(place, path.name if stems[path.stem] > 1 else path.stem), path


def _groups(base: Path, paths: Iterable[Path], problems: list[Problem]) -> Iterator[tuple[str, Path, list[str]]]:
    """(posix path below the base, folder, file names) of every folder, and of the files given one by one."""
    given = sorted(set(paths))
    folders = {path for path in given if path.is_dir()}
    outer = sorted(path for path in folders if folders.isdisjoint(path.parents))
    for folder in outer:
        below = folder.relative_to(base).as_posix()
        for place, files in walk(base, "" if below == "." else below, problems):
            yield place, base / place, files
    alone: dict[Path, list[str]] = {}
    for path in given:
        if path not in folders and folders.isdisjoint(path.parents):
            alone.setdefault(path.parent, []).append(path.name)
    for parent in sorted(alone):
        below = parent.relative_to(base).as_posix()
        yield "" if below == "." else below, parent, alone[parent]


class _Once:
    """Finds symbolic links that are a second name of a video of the same listing."""

    def __init__(self, base: Path, paths: Iterable[Path]) -> None:
        self._base = base.resolve()
        self._given = {path.resolve() for path in paths}
        self._targets: dict[Path, Path] = {}

    def same(self, path: Path) -> Path | None:
        """The video that a link is another name of, None if it is none or the first one to a place outside."""
        if not os.path.islink(path):
            return None
        target = path.resolve()
        if self._listed(target):
            return target
        first = self._targets.setdefault(target, path)
        return first if first != path else None

    def _listed(self, target: Path) -> bool:
        if not is_video(target.name) or not target.is_relative_to(self._base):
            return False
        hidden = any(part.startswith(".") for part in target.relative_to(self._base).parts)
        return not hidden and any(place in self._given for place in (target, *target.parents))


def _people_level(base: Path) -> str:
    """Where sub-folders are people: below the root as long as all videos lie in one sub-folder of it."""
    level = ""
    while True:
        folders, files = entries(base / level)
        folders = [name for name in folders if holds_video(base / level / name)]
        if len(folders) != 1 or any(is_video(name) for name in files):
            return level
        level = posixpath.join(level, folders[0])


class _Splits:
    """Identity and split of a video from its path below the base.

    Attributes:
        problems: people found in two splits.
    """

    def __init__(self, base: Path, paths: Sequence[Path], val: float, test: float, seed: int) -> None:
        folders, files = entries(base)
        named = {name: SPLIT_FOLDERS[name.lower()] for name in folders if name.lower() in SPLIT_FOLDERS}
        self._own = len(set(named.values())) > 1 and "train" in named.values() and not any(map(is_video, files))
        self.problems: list[Problem] = []
        if self._own:
            people: dict[Split, list[str]] = {split: [] for split in SPLITS}
            for folder, split in named.items():
                people[split] += entries(base / folder)[0]
            self._split_of, moved = kept_apart(people)
            self._named = named
            self.problems = [
                Problem(base, f"{who} is in {was} and {now}, all of {who} is used for {now}") for who, was, now in moved
            ]
        else:
            parts = shares(_people(base, paths), (val, test), seed)
            names: tuple[Split, ...] = ("val", "test", "train")
            self._split_of = {who: split for split, part in zip(names, parts, strict=True) for who in part}

    def of(self, parts: Sequence[str]) -> tuple[str, Split]:
        """(identity, split) of a video whose path below the base has these parts."""
        if not self._own:
            return parts[0], self._split_of.get(parts[0], "train")
        if len(parts) > 2 and parts[1] in self._split_of:
            return parts[1], self._split_of[parts[1]]
        return "/".join(parts[:2]), self._named.get(parts[0], "train")


def _people(base: Path, paths: Iterable[Path]) -> set[str]:
    """Top sub-folders and files (without suffix) that can be used."""
    people = set()
    for path in paths:
        if path == base:
            folders, files = entries(base)
            people |= {name for name in folders if holds_video(base / name)}
            people |= {video.stem for video in videos_in(base, files) if isinstance(video, Path)}
        elif path.is_dir() or path.parent != base:
            people.add(path.relative_to(base).parts[0])
        else:
            people.add(path.stem)
    return people
