"""CAER (Lee et al. 2019): ``{train,validation,test}/{Anger,Disgust,Fear,Happy,Neutral,Sad,Surprise}/NNNN.avi``.

The clips are cut from television series, and the corpus does not say who is seen. An identity is therefore a clip, and
its own split is kept, although an actor of one series may be in all three of its parts: what is measured on it is
flattered by that.
"""

import difflib
import os
from pathlib import Path

from faceimit.data.corpora.listing import (
    Found,
    Listing,
    Problem,
    Source,
    Split,
    checked_root,
    collect,
    entries,
    videos_in,
    wrong_root,
)

CORPUS = "caer"
EMOTIONS = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
_FOLDERS: dict[str, Split] = {"train": "train", "validation": "val", "val": "val", "test": "test"}
_PICTURES = (".png", ".jpg", ".jpeg")


def list_caer(root: str | os.PathLike[str]) -> Listing:
    """All clips of CAER; the label is the emotion, as in :data:`EMOTIONS`.

    Args:
        root: folder of ``train/``, ``validation/`` and ``test/``.

    Raises:
        InputError: another folder, or no clip in it.
    """
    path = checked_root(root, "CAER")
    if not _fits(path):
        raise wrong_root(path, "CAER", "train/Anger/NNNN.avi, validation/... and test/...", _fits)
    return collect(CORPUS, path, find(path))


def _fits(root: Path) -> bool:
    return any(_emotion(name) for folder in _split_folders(root) for name in entries(root / folder)[0])


def _split_folders(root: Path) -> dict[str, Split]:
    return {name: _FOLDERS[name.lower()] for name in entries(root)[0] if name.lower() in _FOLDERS}


def _emotion(folder: str) -> str | None:
    return next((emotion for emotion in EMOTIONS if emotion.lower() == folder.lower()), None)


def find(root: Path) -> Found:
    """Clips and problems of a checked root, one folder in memory at a time."""
    folders = _split_folders(root)
    for split in ("train", "val", "test"):
        if split not in folders.values():
            wanted = "validation" if split == "val" else split
            yield Problem(root / wanted, "missing, so this split is empty: fetch it")
    for folder, split in folders.items():
        there = entries(root / folder)[0]
        for name in there:
            yield from _of_emotion(root, f"{folder}/{name}", split)
        for emotion in EMOTIONS:
            if emotion not in map(_emotion, there):
                yield Problem(root / folder / emotion, "missing, so this emotion has no clip in this split: fetch it")


def _of_emotion(root: Path, place: str, split: Split) -> Found:
    folder = root / place
    emotion = _emotion(folder.name)
    if emotion is None:
        near = difflib.get_close_matches(folder.name, EMOTIONS, n=1)
        hint = f"did you mean {near[0]}" if near else f"emotions are {', '.join(EMOTIONS)}"
        yield Problem(folder, f"not an emotion of CAER, left out; {hint}")
        return
    files, count = entries(folder)[1], 0
    for item in videos_in(folder, files):
        if isinstance(item, Problem):
            yield item
            continue
        count += 1
        name = f"{place}/{item.stem}"
        yield Source(name, item, identity=name, split=split, label=emotion)
    if not count:
        pictures = any(name.lower().endswith(_PICTURES) for name in files)
        what = "pictures but no video, as of CAER-S: fetch CAER" if pictures else "no clip that can be used, fetch it"
        yield Problem(folder, f"it holds {what}")
