"""What a bundle is: a folder with graphs, golden values and ``manifest.json``, which vouches for every byte of them.

Reading trusts nothing: names are plain file names, sizes and SHA-256 must agree, the manifest carries a digest of
itself, and nothing is ever unpickled. The digest finds slips and damage; it is no signature.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceimit.errors import InputError
from faceimit.face.controls import NAMES
from faceimit.keyframes.search import SearchParams

FORMAT = "faceimit-bundle-1"
MANIFEST = "manifest.json"
GOLDEN = "golden.safetensors"
STEP, LANDMARKS, MAPPER = "step", "landmarks", "mapper"
GRAPHS = (STEP, LANDMARKS, MAPPER)
# names of the step's inputs and outputs beside its state, which is called the same going in, with NEXT coming out; the
# rate is frames per second over faceimit.data.targets.BASE_FPS
CROP, RATE, SCORES, NEXT = "crop", "rate", "scores", "next_"
AGAIN = "export it again with faceimit-export"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_MOST = 1 << 30  # bytes of a file: no graph of ours comes near
_LOOSEST = 0.1  # tolerance of golden values: beyond, they would prove nothing
# a tensor kept outside of its ONNX file: field 1 of a StringStringEntryProto, 8 bytes long
_OUTSIDE = b"\x0a\x08location"


def file_name(graph: str) -> str:
    """The file of a graph."""
    return f"{graph}.onnx"


def seal(manifest: Mapping[str, Any]) -> bytes:
    """The content of ``manifest.json``, with its digest."""
    return (json.dumps({**manifest, "digest": _digest(manifest)}, indent=2, allow_nan=False) + "\n").encode()


def file_entry(content: bytes) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle, checked.

    Raises:
        InputError: no bundle, a damaged or altered manifest, another version, or an entry that is not as it must be.
    """
    if not folder.is_dir():
        raise InputError(f"bundle {folder} is not a folder, give one that faceimit-export wrote")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise InputError(f"{folder} has no {MANIFEST} that can be read, give a folder faceimit-export wrote") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{MANIFEST} of bundle {folder} is cut short or damaged, {AGAIN}") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise InputError(f"bundle {folder} has format {found!r} but this version reads {FORMAT!r}, {AGAIN}")
    if manifest.pop("digest", None) != _digest(manifest):
        raise InputError(f"{MANIFEST} of bundle {folder} was altered after the export, {AGAIN}")
    try:
        _check(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{MANIFEST} of bundle {folder} is not as it must be ({error}), {AGAIN}") from error
    return manifest


def read_files(folder: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Content of every file the manifest lists: what was checked is what is used.

    Raises:
        InputError: a name that leaves the folder, a file that is missing, a link, cut short or altered, or a graph
            that keeps tensors in files of its own.
    """
    return {name: _read(folder, name, entry) for name, entry in manifest["files"].items()}


def _read(folder: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    if not _PLAIN.match(name) or name == MANIFEST:
        raise InputError(f"bundle {folder} lists {name!r}, which is no plain file name: do not use this bundle")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise InputError(f"bundle {folder} lacks its file {name}, copy the whole folder or {AGAIN}")
    size = path.stat().st_size
    if size != entry["bytes"] or size > _MOST:
        raise InputError(f"{name} of bundle {folder} has {size} instead of {entry['bytes']} bytes, copy it again")
    content = path.read_bytes()
    if file_entry(content) != {"sha256": entry["sha256"], "bytes": entry["bytes"]}:
        raise InputError(f"{name} of bundle {folder} was altered or damaged (its SHA-256 differs), copy it again")
    if name.endswith(".onnx") and _OUTSIDE in content:
        raise InputError(f"{name} of bundle {folder} refers to files beside it, {AGAIN}")
    return content


def search_params(manifest: Mapping[str, Any]) -> SearchParams:
    """The keyframe search that belongs to the scores."""
    return SearchParams(**manifest["keyframes"]["search"])


def _check(manifest: Mapping[str, Any]) -> None:
    """Everything that loading relies on, by type and range; raises what it meets."""
    graphs, files, keyframes = manifest["graphs"], manifest["files"], manifest["keyframes"]
    if STEP not in graphs or not set(graphs) <= set(GRAPHS):
        raise ValueError(f"graphs {sorted(graphs)}")
    for name in (*map(file_name, graphs), GOLDEN):
        if not isinstance(files[name]["bytes"], int):
            raise TypeError(f"bytes of {name}")
    for name in graphs:
        tolerance = manifest["parity"][name]["tolerance"]
        if not 0.0 < tolerance <= _LOOSEST:
            raise ValueError(f"tolerance {tolerance}")
    if not 0 < keyframes["crop"]["size"] <= 4096 or not 0 <= keyframes["look_ahead"] <= 1000:
        raise ValueError("crop or look_ahead")
    if keyframes["c_ref"] is not None and not keyframes["c_ref"] > 0:
        raise ValueError("c_ref")
    if [control["name"] for control in manifest["controls"]] != list(NAMES):
        raise ValueError("controls of another table")
    if not isinstance(manifest["robot"], str) or not isinstance(keyframes["name"], str):
        raise TypeError("names")
    search_params(manifest)


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
