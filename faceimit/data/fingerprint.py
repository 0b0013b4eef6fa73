"""What a run was trained on, in a few letters: equal fingerprints mean equal data, whatever the caches' places are.

A data module says what its splits are made of with ``parts() -> dict[str, Sequence[Item]]``. Nothing is decoded: a clip
file is known by the checksums it holds of its arrays, a stored clip by that of its video and its annotation.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from faceimit.data.stored import LazyClip
from faceimit.errors import InputError
from faceimit.face.records import Clip

SPLITS = ("train", "val", "test")
# a file of arrays (.npz), a clip of a store, a clip in memory, or a name that changes with what it names
Item = Path | LazyClip | Clip | str


def fingerprint(data: Any) -> dict[str, dict[str, Any]]:
    """Of a data module, by part: ``{"train": {"items": 96, "digest": "...", "set": "s0-t100-p128-1a2b/train"}, ...}``.

    ``set`` names the rendered sets, whose folders are named by their settings and the renderer's version. Empty for a
    module that does not say what it is made of.
    """
    parts = data.parts() if hasattr(data, "parts") else {}
    return {name: _of_part(items) for name, items in parts.items()}


def _of_part(items: Sequence[Item]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for item in items:
        digest.update(repr(identity(item)).encode())
    about = {"items": len(items), "digest": digest.hexdigest()[:16]}
    sets = sorted(
        {"/".join(item.parts[-3:-1]) for item in items if isinstance(item, Path) and item.parent.name in SPLITS}
    )
    return about | ({"set": ", ".join(sets)} if sets else {})


@singledispatch
def identity(item: Any) -> tuple[Any, ...]:
    """What makes an item what it is.

    Raises:
        InputError: a file that is no whole file of arrays.
    """
    raise TypeError(f"expected a path, a clip or a name but got {type(item).__name__}")


@identity.register
def _(item: str) -> tuple[Any, ...]:
    return (item,)


@identity.register
def _(item: Path) -> tuple[Any, ...]:
    try:
        with zipfile.ZipFile(item) as arrays:
            return tuple((info.filename, info.CRC) for info in arrays.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{item} is no whole file of arrays ({error}); delete it and make it again") from error


@identity.register
def _(item: LazyClip) -> tuple[Any, ...]:
    info = item.info
    about = (info.sha256, info.annotator, info.annotator_version, info.model_sha256, info.crop_version)
    return (item.name, *about, item.size, _checksum(item.digest.change, item.digest.boxes, item.digest.valid))


@identity.register
def _(item: Clip) -> tuple[Any, ...]:
    known = item.annotation
    return (item.name, item.fps, _checksum(item.frames, known.blendshapes, known.pose, known.valid))


def _checksum(*arrays: np.ndarray) -> int:
    value = 0
    for array in arrays:
        value = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, value)
    return value
