"""300 Videos in the Wild (Shen et al. 2015): ``NNN/vid.avi`` and ``NNN/annot/NNNNNN.pts``, 68 points a frame.

The challenge's test videos are in three categories (1: well-lit, 2: unconstrained illumination, 3: arbitrary
conditions), published as lists of numbers; the other videos are for training, and a seeded share of them is held out
for validation. The corpus names nobody: an identity is a video.
"""

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
    holds_video,
    shares,
    videos_in,
    wrong_root,
)

CORPUS = "300vw"


def _numbers(text: str) -> tuple[int, ...]:
    """``1-3 7`` is 1, 2, 3, 7."""
    ranges = [[int(end) for end in part.split("-")] for part in text.split()]
    return tuple(number for ends in ranges for number in range(ends[0], ends[-1] + 1))


CATEGORIES: dict[int, tuple[int, ...]] = {
    1: _numbers("114 124-126 150 158 401 402 505-511 514 515 518-522 524 525 537 538 540 541 546-548"),
    2: _numbers("203 208 211-214 218 224 403-409 412 550 551 553"),
    3: _numbers("410 411 516 517 526 528-531 533 557-559 562"),
}
TRAIN: tuple[int, ...] = _numbers(
    "1-4 7 9-11 13 15-20 22 25 27-29 31 33-35 37 39 41 43 44 46-49 53 57 59 112 113 115 119 120 123 138 143 144 160 "
    "204 205 223 225"
)
_CATEGORY_OF = {number: category for category, numbers in CATEGORIES.items() for number in numbers}


def list_300vw(root: str | os.PathLike[str], val: float = 0.1, seed: int = 0) -> Listing:
    """All videos of 300VW; the label is the category of a test video, such as "category 1".

    Args:
        root: folder of the 114 numbered folders.
        val: fraction of the training videos held out for validation.
        seed: of that choice.

    Raises:
        InputError: another folder, or no video in it.
    """
    path = checked_root(root, "300VW")
    if not _fits(path):
        raise wrong_root(path, "300VW", "numbered folders with vid.avi and annot/NNNNNN.pts", _fits)
    return collect(CORPUS, path, find(path, val, seed))


def _fits(root: Path) -> bool:
    numbered = (root / name for name in entries(root)[0] if _is_number(name))
    return any((folder / "annot").is_dir() or (folder / "vid.avi").is_file() for folder in numbered)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def find(root: Path, val: float, seed: int) -> Found:
    """Videos and problems of a checked root."""
    folders = entries(root)[0]
    numbers = [name for name in folders if _is_number(name)]
    held = shares((n for n in numbers if int(n) not in _CATEGORY_OF and holds_video(root / n)), (val,), seed)[0]
    for name in numbers:
        yield from _of_folder(root, name, "val" if name in held else None)
    for name in sorted(set(folders) - set(numbers)):
        yield Problem(root / name, "not a numbered folder of 300VW, left out")
    known = sorted([*_CATEGORY_OF, *TRAIN])
    missing = [f"{number:03d}" for number in known if number not in map(int, numbers)]
    if missing:
        shown = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
        yield Problem(root, f"{len(missing)} of the {len(known)} videos of 300VW are missing: {shown}")


def _of_folder(root: Path, name: str, held: Split | None) -> Found:
    folder, category = root / name, _CATEGORY_OF.get(int(name))
    videos = []
    for item in videos_in(folder, entries(folder)[1]):
        if isinstance(item, Problem):
            yield item
        elif item.stem.lower() == "vid":
            videos.append(item)
    annotated = (folder / "annot").is_dir() and any(n.lower().endswith(".pts") for n in entries(folder / "annot")[1])
    if not videos:
        what = "annot/ without a vid.avi that can be used" if annotated else "no vid.avi that can be used and no annot/"
        yield Problem(folder, f"{what}, fetch it again")
        return
    if not annotated:
        yield Problem(folder, "vid.avi without annot/NNNNNN.pts, so all its frames are invalid for landmarks")
    yield Source(
        f"{name}/{videos[0].stem}",
        videos[0],
        identity=name,
        split="test" if category else held or "train",
        label=f"category {category}" if category else "",
        landmarks=folder / "annot" if annotated else None,
    )
