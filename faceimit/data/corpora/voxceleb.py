"""VoxCeleb1 and 2 (Nagrani et al. 2017, Chung et al. 2018): ``<split>/mp4/idXXXXX/<YouTubeID>/NNNNN.mp4``.

``<split>/txt/`` of the same shape holds the corpus' face boxes, in the original YouTube video. The splits are ``dev``
and ``test`` as downloaded, or ``train``, ``val`` and ``test``; ``dev`` is for training (for validation where there is
a ``train`` as well). A seeded share of the training identities is held out for each of validation and test that has no
folder. An identity found in two splits is moved to the later one (train, val, test), and a problem says so.
"""

import os
from collections.abc import Iterator
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
    wrong_root,
)

CORPUS = "voxceleb"
_FOLDERS: dict[str, Split] = {
    "train": "train",
    "dev": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def list_voxceleb(root: str | os.PathLike[str], val: float = 0.05, test: float = 0.05, seed: int = 0) -> Listing:
    """All videos of VoxCeleb1 or 2.

    Args:
        root: folder of ``dev/`` (or ``train/``, ``val/``) and ``test/``.
        val: fraction of the training identities held out for validation where the corpus has no such folder.
        test: as val.
        seed: of that choice.

    Raises:
        InputError: another folder, or no video in it.
    """
    path = checked_root(root, "VoxCeleb")
    if not _fits(path):
        raise wrong_root(path, "VoxCeleb", "dev/mp4/idXXXXX/<YouTubeID>/NNNNN.mp4 and test/mp4/...", _fits)
    return collect(CORPUS, path, find(path, val, test, seed))


def _fits(root: Path) -> bool:
    return any((root / folder / kind).is_dir() for folder in _split_folders(root) for kind in ("mp4", "txt"))


def _split_folders(root: Path) -> dict[str, Split]:
    """Split of each split folder that is there."""
    found = {name: _FOLDERS[name.lower()] for name in entries(root)[0] if name.lower() in _FOLDERS}
    with_train = any(name.lower() == "train" for name in found)
    return {name: "val" if with_train and name.lower() == "dev" else split for name, split in found.items()}


def find(root: Path, val: float, test: float, seed: int) -> Found:
    """Videos and problems of a checked root, one YouTube folder in memory at a time."""
    folders = _split_folders(root)
    people: dict[Split, set[str]] = {split: set() for split in SPLITS}
    for folder, split in folders.items():
        there = root / folder / "mp4"
        people[split].update(who for who in _subfolders(there) if holds_video(there / who))
    split_of, moved = kept_apart(people)
    for who, was, now in moved:
        yield Problem(root, f"identity {who} is in {was} and {now}, all its videos are used for {now}")
    train = [who for who, split in split_of.items() if split == "train"]
    lacking: list[Split] = [split for split in ("val", "test") if not people[split] and train]  # type: ignore[misc]
    parts = shares(train, [{"val": val, "test": test}[split] for split in lacking], seed)
    for split, part in zip(lacking, parts, strict=False):
        split_of.update(dict.fromkeys(part, split))
    if "test" in lacking:
        held = len(parts[lacking.index("test")])
        yield Problem(root, f"there are no test videos, so {held} identities of the training videos are used for test")
    if not train:
        yield Problem(root, "there are no training videos, fetch dev/")
    for folder, split in folders.items():
        for who in _subfolders(root / folder / "mp4"):
            yield from _of_person(root, folder, who, split_of.get(who, split))
        yield from _without_video(root / folder)


def _subfolders(folder: Path) -> list[str]:
    return entries(folder)[0] if folder.is_dir() else []


def _of_person(root: Path, folder: str, who: str, split: Split) -> Found:
    place, count = f"{folder}/mp4/{who}", 0
    problems: list[Problem] = []
    for below, files in walk(root, place, problems):
        boxes = root / folder / "txt" / Path(below).relative_to(f"{folder}/mp4")
        texts = set(entries(boxes)[1]) if boxes.is_dir() else set()
        for video in videos_in(root / below, files):
            if isinstance(video, Problem):
                yield video
                continue
            text = f"{video.stem}.txt"
            count += 1
            yield Source(f"{below}/{video.stem}", video, who, split, boxes=boxes / text if text in texts else None)
    yield from problems
    if not count:
        yield Problem(root / place, "a person without a video that can be used, fetch it again")


def _without_video(folder: Path) -> Iterator[Problem]:
    """One problem for each person whose txt/ names videos that mp4/ lacks."""
    for who in _subfolders(folder / "txt"):
        lacking: list[str] = []
        for place, files in walk(folder, f"txt/{who}"):
            there = folder / "mp4" / Path(place).relative_to("txt")
            videos = {Path(name).stem for name in entries(there)[1] if is_video(name)} if there.is_dir() else set()
            lacking += [f"{place}/{name}" for name in files if name.endswith(".txt") and Path(name).stem not in videos]
        if lacking:
            noun = "video is" if len(lacking) == 1 else "videos are"
            yield Problem(folder / "txt" / who, f"{len(lacking)} {noun} missing from mp4/, the first for {lacking[0]}")
