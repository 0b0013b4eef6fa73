"""What a corpus on the disk holds: one record a video, and one for everything that cannot be used.

Listing decodes nothing and reads no annotation: it walks the folders, one folder in memory at a time, so that a tree of
a million files takes a minute and no memory. What only decoding can tell (a damaged stream) shows when a video is
annotated.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faceimit.errors import InputError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

VIDEO_SUFFIXES = frozenset(
    f".{name}"
    for names in ("3gp asf avi flv m2ts m4v mkv mov", "mp4 mpeg mpg mts mxf ogv ts webm wmv")
    for name in names.split()
)
# made by archives, cameras and disk stations beside what they hold
_FOREIGN = frozenset(["__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db"])
# left behind by browsers, curl, wget, aria2, yt-dlp and rsync while, or after, they did not finish
_UNFINISHED = frozenset([".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".ytdl"])


@dataclass(frozen=True, slots=True)
class Source:
    """One video of a corpus.

    Attributes:
        name: unique in the corpus: posix path below its root without suffix (with it where two videos differ in the
            suffix alone).
        path: of the video, absolute.
        identity: who is seen, as far as the corpus tells; no identity is in two splits.
        split: "train", "val" or "test".
        label: CAER's emotion, 300VW's category; "" if the corpus has none.
        landmarks: folder of .pts files (300VW), if any.
        boxes: text file with the corpus' own face boxes (VoxCeleb), if any.
    """

    name: str
    path: Path
    identity: str
    split: Split
    label: str = ""
    landmarks: Path | None = None
    boxes: Path | None = None

    @property
    def relative(self) -> str:
        """Posix path below the root, with suffix."""
        return self.name if self.name.endswith(self.path.suffix) else self.name + self.path.suffix


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a corpus that cannot be used, or was used otherwise than it lies, and why, in one sentence."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Listing:
    """A corpus: its videos in a fixed order, and what could not be used.

    Attributes:
        corpus: "voxceleb", "300vw", "caer" or "videos".
        root: folder that the names are relative to.
        sources: sorted by folder, then name.
        problems: as found.
        people: folder whose sub-folders, or files, are the people of a plain folder of videos; None: another corpus.
    """

    corpus: str
    root: Path
    sources: tuple[Source, ...]
    problems: tuple[Problem, ...]
    people: Path | None = None

    def split(self, split: Split) -> tuple[Source, ...]:
        """The videos of one split."""
        return tuple(source for source in self.sources if source.split == split)


Found = Iterator[Source | Problem]


def collect(corpus: str, root: Path, found: Iterable[Source | Problem], asked: str = "") -> Listing:
    """A listing of what a reader finds; `asked` is what was given where that is not the root itself.

    Raises:
        InputError: the reader's, for a wrong root; no video at all.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    for item in found:
        (sources if isinstance(item, Source) else problems).append(item)  # type: ignore[arg-type]
    if not sources:
        first = f" ({problems[0]})" if problems else ""
        raise InputError(f"{asked or root} holds no video that can be used{first}, check the path")
    return Listing(corpus, root, tuple(sources), tuple(problems))


def entries(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the sub-folders and files of a folder, sorted, without hidden ones; symbolic links are followed.

    macOS writes ``._NAME`` beside a file it copies to a foreign disk: hidden too.
    """
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as scanned:
        for entry in scanned:
            if not entry.name.startswith(".") and entry.name not in _FOREIGN:
                (folders if entry.is_dir() else files).append(entry.name)
    return sorted(folders), sorted(files)


def walk(root: Path, below: str = "", problems: list[Problem] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Every folder of a tree with its files: (posix path below the root, "" for the root; file names).

    A folder that several symbolic links reach is visited once, so loops end. Folders that may not be read are added to
    `problems`.
    """
    stack, seen = [below], set()
    while stack:
        place = stack.pop()
        try:
            status = (root / place).stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            folders, files = entries(root / place)
        except OSError as error:
            if problems is not None:
                problems.append(Problem(root / place, f"cannot be read ({error.strerror}), check its permissions"))
            continue
        yield place, files
        stack.extend(f"{place}/{folder}" if place else folder for folder in reversed(folders))


def is_video(name: str) -> bool:
    """Whether a file name has the suffix of a video."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def trouble(path: Path) -> str | None:
    """Why a file cannot be a whole video, as far as its name and size tell; None if nothing speaks against it."""
    if path.suffix.lower() in _UNFINISHED:
        return "an unfinished download, fetch it again"
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        return "a symbolic link to a file that is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror}), check its permissions"
    return "an empty file, fetch it again" if empty else None


def videos_in(
    folder: Path, files: Iterable[str], suffixes: frozenset[str] = VIDEO_SUFFIXES
) -> Iterator[Path | Problem]:
    """The videos among the files of a folder, and a problem for each that is empty or unfinished."""
    for name in files:
        suffix = os.path.splitext(name)[1].lower()
        if suffix in suffixes or suffix in _UNFINISHED:
            path = folder / name
            reason = trouble(path)
            yield path if reason is None else Problem(path, reason)


def holds_video(folder: Path) -> bool:
    """Whether a folder, or one below it, holds a video that :func:`videos_in` finds no fault with."""
    found = (item for place, files in walk(folder) for item in videos_in(folder / place, files))
    return any(isinstance(item, Path) for item in found)


def checked_root(root: str | os.PathLike[str], corpus: str) -> Path:
    """The root as an absolute path.

    Raises:
        InputError: it does not exist or is no folder.
    """
    path = Path(os.path.abspath(Path(root).expanduser()))
    if not path.exists():
        raise InputError(f"expected {path} to be the folder of {corpus} but it does not exist, check the path")
    if not path.is_dir():
        raise InputError(f"expected {path} to be the folder of {corpus} but it is a file, give its folder")
    return path


def wrong_root(root: Path, corpus: str, wanted: str, fits: Callable[[Path], bool]) -> InputError:
    """An error for a folder that is not a corpus' root: what was looked for, what is there, and the right folder where
    it lies one or two levels higher or lower.
    """
    folders, files = entries(root)
    shown = [f"{name}/" for name in folders[:4]] + files[:2]
    there = ", ".join(shown) + (", ..." if len(folders) + len(files) > len(shown) else "") if shown else "nothing"
    near = [root.parent, root.parent.parent, *(root / name for name in folders[:50])]
    right = next((path for path in near if path != root and _quietly(fits, path)), None)
    remedy = f"try {right}" if right else "check the path"
    return InputError(f"expected {root} to be the folder of {corpus} with {wanted} but it holds {there}, {remedy}")


def _quietly(fits: Callable[[Path], bool], path: Path) -> bool:
    try:
        return fits(path)
    except OSError:
        return False


def kept_apart(identities: Mapping[Split, Iterable[str]]) -> tuple[dict[str, Split], list[tuple[str, Split, Split]]]:
    """The one split of each identity of a corpus that comes with its own splits.

    An identity found in two is moved to the later of train, val, test, so that what is measured stays whole.

    Args:
        identities: found in each split.

    Returns:
        The split of each identity; (identity, split it lies in, split it is moved to) for each that moved.
    """
    order = {name: split for split in SPLITS for name in identities.get(split, ())}
    moved = [
        (name, split, order[name])
        for split in SPLITS
        for name in sorted(set(identities.get(split, ())))
        if order[name] != split
    ]
    return order, moved


def ranked(identities: Iterable[str], seed: int) -> list[str]:
    """Identities in an order that the seed and their names alone decide (on every machine, whatever else is there)."""
    return sorted(set(identities), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def shares(identities: Iterable[str], fractions: Sequence[float], seed: int) -> list[set[str]]:
    """Parts of a set of identities, and the rest as the last part.

    Each part holds its fraction of the identities, rounded, at least one as long as one is left for the rest.

    Args:
        identities: names.
        fractions: of each part, in [0, 1), together below 1; 0 is an empty part.
        seed: another seed, another choice.

    Raises:
        InputError: fractions out of range.
    """
    if any(not 0 <= fraction < 1 for fraction in fractions) or sum(fractions) >= 1:
        raise InputError(f"expected fractions of a split in [0, 1) with a sum below 1 but got {list(fractions)}")
    order = ranked(identities, seed)
    parts: list[set[str]] = []
    total = len(order)
    for fraction in fractions:
        count = min(max(1, round(fraction * total)), len(order) - 1) if fraction and len(order) > 1 else 0
        parts.append(set(order[:count]))
        order = order[count:]
    return [*parts, set(order)]
