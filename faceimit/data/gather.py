"""From a corpus on the disk and its annotation store to clips: what can be used, and why the rest cannot."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faceimit.data.corpora import Listing, Problem, Source, list_corpus
from faceimit.data.digest import digests
from faceimit.data.store import ClipInfo, Store
from faceimit.data.stored import LazyClip, VideoCrops
from faceimit.data.videos import CROP_VERSION
from faceimit.errors import InputError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Gathered:
    """A corpus ready to train on.

    Attributes:
        clips: whole clips of each split, by name.
        problems: everything that is left out, and why.
    """

    clips: dict[str, list[LazyClip]]
    problems: list[Problem]


def listed(corpus: str, root: str | None, store: Store, options: Mapping[str, Any]) -> Listing:
    """The videos of a corpus; without a root those that the store was made of, at the place they had then.

    Args:
        corpus: its name.
        root: its folder, or None.
        store: must exist where there is no root.
        options: of the corpus' reader.

    Raises:
        InputError: a wrong root; no root and no store, or the videos are no longer where they were.
    """
    if root is not None:
        return list_corpus(corpus, root, **options)
    store.check()
    infos = store.infos()
    there = [Path(info.source) for info in infos if Path(info.source).is_file()]
    known = set(there)
    gone = [
        Problem(Path(info.source), f"not there any more, try data.root=FOLDER that now holds {info.relative}")
        for info in infos
        if Path(info.source) not in known
    ]
    if not there:
        raise InputError(f"the videos of {store.path} are not where they were annotated: {gone[0]}")
    roots = {info.source.removesuffix(info.relative) for info in infos}
    if corpus == "videos":
        base = Path(os.path.commonpath([Path(info.source).parent for info in infos]))
        found = list_corpus(corpus, there, base=base, **options)
    elif len(roots) == 1:
        found = list_corpus(corpus, roots.pop(), **options)
    else:
        raise InputError(f"{store.path} was made of {len(roots)} folders, name that of {corpus} with data.root")
    return replace(found, problems=(*found.problems, *gone))


def lacking(listing: Listing, store: Store) -> list[Source]:
    """Videos that the store does not hold as they are now."""
    rows = {info.name: info for info in _infos(store)}
    return [source for source in listing.sources if source.name not in rows or _outdated(rows[source.name], source)]


def gather(
    listing: Listing,
    store: Store,
    size: int,
    cache: Path | None = None,
    verify: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Gathered:
    """Clips of the videos that are there and annotated.

    Args:
        listing: of the corpus.
        store: with its annotations.
        size: side of the crops in pixels.
        cache: folder for what is computed of all clips; None: it is not kept.
        verify: compare the checksum of every video as well as its size.
        options: of the corpus' reader.
    """
    problems = list(listing.problems)
    rows = _rows(listing, store)
    usable: list[tuple[Source, ClipInfo]] = []
    for source in listing.sources:
        info = rows.get(source.path)
        reason = "not annotated, run faceimit-annotate" if info is None else _trouble(info, source, verify)
        if info is None or reason:
            problems.append(Problem(source.path, reason or ""))
        else:
            usable.append((source, info))
    found: dict[Path, LazyClip] = {}
    for (source, info), digest in zip(usable, digests(store, [info for _, info in usable], cache), strict=True):
        crops = VideoCrops(source.path, digest, size, damaged=bool(info.note))
        clip = LazyClip(info, store, source.identity, digest, crops, size, 0, info.frames, source.landmarks)
        if clip.has_steps():
            found[source.path] = clip
        else:
            problems.append(Problem(source.path, info.note or f"{info.frames} frames, never two in a row with a face"))
    return Gathered(_in_splits(found, listing, options or {}), problems)


def _in_splits(
    found: Mapping[Path, LazyClip], listing: Listing, options: Mapping[str, Any]
) -> dict[str, list[LazyClip]]:
    """Clips by split; where the only people chosen for a split cannot be used, others of a plain folder are chosen."""
    sources = [source for source in listing.sources if source.path in found]
    if listing.corpus == "videos" and sources and {source.split for source in sources} < set(SPLITS):
        # who is a person does not hang on which videos can be used
        sources = list(list_corpus(listing.corpus, list(found), base=listing.people, **options).sources)
    clips: dict[str, list[LazyClip]] = {split: [] for split in SPLITS}
    for source in sources:
        clips[source.split].append(replace(found[source.path], identity=source.identity))
    return clips


def _rows(listing: Listing, store: Store) -> dict[Path, ClipInfo]:
    """Rows of the store by the video of the listing they belong to: by name, or by the place they were made at."""
    infos = _infos(store)
    by_name = {info.name: info for info in infos}
    by_place = {Path(info.source): info for info in infos}
    found = {}
    for source in listing.sources:
        info = by_place.get(source.path) or by_name.get(source.name)
        if info is not None:
            found[source.path] = info
    return found


def _infos(store: Store) -> list[ClipInfo]:
    return store.infos() if store.path.is_dir() else []


def _outdated(info: ClipInfo, source: Source) -> bool:
    return info.crop_version != CROP_VERSION or info.bytes != source.path.stat().st_size


def _trouble(info: ClipInfo, source: Source, verify: bool) -> str:
    """Why a row does not fit its video any more, or ""."""
    if info.crop_version != CROP_VERSION:
        return f"annotated for crops of version {info.crop_version}, not {CROP_VERSION}, run faceimit-annotate again"
    try:
        found = source.path.stat().st_size
        changed = found != info.bytes or (verify and _checksum(source.path) != info.sha256)
    except OSError as error:
        return f"cannot be read ({error.strerror}), check its permissions"
    if changed:
        return f"changed since it was annotated ({found} bytes, it had {info.bytes}), run faceimit-annotate again"
    return ""


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_empty_splits(gathered: Gathered, corpus: str) -> Gathered:
    """The same.

    Raises:
        InputError: a split holds no clip.
    """
    empty = [split for split in SPLITS if not gathered.clips[split]]
    if not empty:
        return gathered
    people = {clip.identity for clips in gathered.clips.values() for clip in clips}
    why = _first(gathered.problems)
    if len(people) < len(SPLITS):
        raise InputError(
            f"expected clips of at least 3 people, one for each split, but {corpus} has {len(people)} that can be "
            f"used{why}, add videos or folders of other people"
        )
    raise InputError(f"the {empty[0]} split of {corpus} holds no clip that can be used{why}, check data.root")


def _first(problems: Sequence[Problem]) -> str:
    return f" ({len(problems)} are left out, such as {problems[0]})" if problems else ""


def no_shared_identity(clips: Mapping[str, Iterable[LazyClip]]) -> None:
    """Make sure that nobody is in two splits.

    Raises:
        InputError: somebody is.
    """
    seen: dict[str, str] = {}
    for split, members in clips.items():
        for clip in members:
            if seen.setdefault(clip.identity, split) != split:
                raise InputError(f"{clip.identity} is in {seen[clip.identity]} and in {split}, keep people apart")
