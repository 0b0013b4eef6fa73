"""The annotation store: what an annotator says about every frame of every video of a corpus, in parquet.

A store is a folder. While it is being made each finished clip is a file of its own, ``parts/*.parquet``; at the end
the parts are packed into shards, ``clips-*.parquet``, sorted by name. A reader takes both together and a part before a
shard, shards are named by their content, and what is superseded is removed last: a kill at any moment loses nothing.
The same clips give the same bytes, in whatever order and by however many processes they were annotated.

One row is one clip and one row group, so that one clip is read without its neighbours; the columns without arrays
are read alone. ``datasets.load_dataset("parquet", data_files="STORE/clips-*.parquet")`` and pyarrow read it too.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from faceimit.data.rows import (
    ARRAYS,
    INFO,
    SCHEMA_VERSION,
    ClipInfo,
    RowWriter,
    StoredClip,
    array_of,
    clip_of,
    infos_of,
    opened,
    read_table,
    table_of,
)
from faceimit.data.whole import written_whole
from faceimit.errors import InputError

__all__ = ["ARRAYS", "INFO", "SCHEMA_VERSION", "ClipInfo", "Store", "StoredClip"]

# A shard is full when it holds so many frames (about 200 MB) or clips.
SHARD_FRAMES = 65536
SHARD_CLIPS = 256
# An unfinished file that has not grown for so long is nobody's any more.
ABANDONED_S = 300.0


class Store:
    """An annotation store on the disk; nothing is created before the first :meth:`write`.

    Several processes may write different clips into one store at the same time. :meth:`pack` is for one process,
    when the others are done. Objects can be sent to other processes.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._shards: tuple[Path, ...] = ()
        self._places: dict[str, tuple[Path, int]] = {}

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def __contains__(self, name: object) -> bool:
        return self._find(str(name)) is not None

    def names(self) -> list[str]:
        """Names of all clips, sorted."""
        self._look()
        parts = [self._names_in(path)[0] for path in self._parts()]
        return sorted({*self._places, *parts})

    def info(self, name: str) -> ClipInfo:
        """What is known of one clip, without its arrays."""
        path, row = self._place(name)
        return infos_of(read_table(path, INFO, row))[0]

    def infos(self) -> list[ClipInfo]:
        """What is known of all clips, by name, without their arrays."""
        self._look()
        found: dict[str, ClipInfo] = {}
        for path in [*self._shards, *self._parts()]:
            found |= {info.name: info for info in infos_of(read_table(path, INFO))}
        return [found[name] for name in sorted(found)]

    def read(self, name: str) -> StoredClip:
        """A whole row.

        Raises:
            InputError: there is no such clip, or its file is damaged.
        """
        path, row = self._place(name)
        return clip_of(read_table(path, None, row))

    def columns(self, name: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some arrays of a clip, the others are not read.

        Args:
            name: of the clip.
            names: of :data:`ARRAYS`.
        """
        path, row = self._place(name)
        table = read_table(path, names, row)
        return {key: array_of(table, key) for key in names}

    def write(self, clip: StoredClip) -> None:
        """Add a clip, or replace the one of this name; it appears whole or not at all.

        Raises:
            ValueError: an array of a wrong shape.
            InputError: the disk is full or the folder cannot be written.
        """
        with written_whole(self._part(clip.name)) as path, RowWriter(path) as writer:
            writer.add(table_of(clip))

    def pack(self) -> None:
        """Rewrite parts and shards as shards sorted by name; the same clips give the same files.

        Raises:
            InputError: a damaged file, a full disk; nothing is lost then.
        """
        self._look()
        self._clean()
        parts, old = self._parts(), self._shards
        if not parts and len(self._places) == sum(len(self._names_in(path)) for path in old):
            return
        new = {self._write_shard(group) for group in self._groups(self.infos())}
        # parts last: a clip in an old and in a new shard is told by its part which one counts
        for path in [*sorted({*old} - new), *parts]:
            path.unlink()
        self._look()

    def check(self) -> None:
        """Make sure this is a store of this version.

        Raises:
            InputError: it is not.
        """
        if not self.path.is_dir():
            raise InputError(f"annotation store {self.path} does not exist, make it with faceimit-annotate")
        paths = [*self._listed(), *self._parts()]
        if not paths:
            raise InputError(
                f"expected {self.path} to be an annotation store but it holds no clips-*.parquet and no "
                f"parts/*.parquet, try the folder given to faceimit-annotate --out"
            )
        for path in paths:
            opened(path).close()

    # ------------------------------------------------------------------ where clips are

    def _part(self, name: str) -> Path:
        return self.path / "parts" / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.parquet"

    def _parts(self) -> list[Path]:
        return sorted((self.path / "parts").glob("*.parquet"))

    def _listed(self) -> tuple[Path, ...]:
        return tuple(sorted(self.path.glob("clips-*.parquet")))

    def _look(self) -> bool:
        """Learn which clips the shards hold; whether anything has changed."""
        listed = self._listed()
        if listed == self._shards:
            return False
        self._shards = listed
        self._places = {name: (path, row) for path in listed for row, name in enumerate(self._names_in(path))}
        return True

    def _find(self, name: str) -> tuple[Path, int] | None:
        part = self._part(name)
        if part.exists():
            return part, 0
        # a pack in another process may have moved it since the last look
        if name not in self._places or not self._places[name][0].exists():
            self._look()
        return self._places.get(name)

    def _place(self, name: str) -> tuple[Path, int]:
        place = self._find(name)
        if place is None:
            raise InputError(f"annotation store {self.path} holds no clip {name!r}, annotate it with faceimit-annotate")
        return place

    def _names_in(self, path: Path) -> list[str]:
        return read_table(path, ["name"]).column("name").to_pylist()

    # ------------------------------------------------------------------ packing

    def _clean(self) -> None:
        """Remove what killed writers left unfinished, but nothing that another process may be writing just now."""
        held = {self._part(name).name for name in self.names()}
        for path in [*self.path.glob(".clips.parquet.*"), *(self.path / "parts").glob(".*.parquet.*")]:
            with contextlib.suppress(FileNotFoundError):
                if path.name[1:].rpartition(".")[0] in held or time.time() - path.stat().st_mtime > ABANDONED_S:
                    path.unlink()

    @staticmethod
    def _groups(infos: Iterable[ClipInfo]) -> Iterator[list[str]]:
        """Names of the clips of each shard."""
        group: list[str] = []
        frames = 0
        for info in infos:
            if group and (frames + info.frames > SHARD_FRAMES or len(group) >= SHARD_CLIPS):
                yield group
                group, frames = [], 0
            group.append(info.name)
            frames += info.frames
        if group:
            yield group

    def _write_shard(self, names: Sequence[str]) -> Path:
        """A shard named by its content, so that it never takes the place of an older one with other clips."""
        final = self.path / "clips.parquet"

        def by_content(path: Path) -> str:
            nonlocal final
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            final = self.path / f"clips-{digest[:16]}.parquet"
            return final.name

        with written_whole(final, by_content) as path, RowWriter(path) as writer:
            for name in names:
                source, row = self._place(name)
                writer.add(read_table(source, None, row))
        return final
