"""Clips on disk: one uncompressed .npz a clip, written whole or not at all, read without pickles."""

import json
import zipfile
from pathlib import Path

import numpy as np

from faceimit.data.whole import written_whole
from faceimit.errors import InputError
from faceimit.face.records import Annotation, Clip

_REQUIRED = ("header", "frames", "blendshapes", "pose", "valid")


def save_clip(path: str | Path, clip: Clip) -> None:
    """Write ``clip`` to ``path`` (.npz); the file appears whole or not at all.

    Raises:
        InputError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    header = json.dumps({"name": clip.name, "identity": clip.identity, "fps": float(clip.fps)}, sort_keys=True)
    arrays = {
        "header": np.frombuffer(header.encode(), dtype=np.uint8),
        "frames": clip.frames,
        "blendshapes": clip.annotation.blendshapes,
        "pose": clip.annotation.pose,
        "valid": clip.annotation.valid,
    }
    optional = {"landmarks": clip.annotation.landmarks, "flow": clip.flow, "occluded": clip.occluded}
    arrays |= {key: value for key, value in optional.items() if value is not None}
    with written_whole(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_clip(path: str | Path, with_flow: bool = False, with_frames: bool = True) -> Clip:
    """Read a clip written by :func:`save_clip`; flow and occlusion only when asked for.

    Without frames it has none, (0, 0, 0, 3), and only some kilobytes are read.

    Raises:
        InputError: the file is missing, truncated, or no clip.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            wanted = [*_REQUIRED, *(key for key in ("landmarks",) if key in stored)]
            if with_flow:
                wanted += [key for key in ("flow", "occluded") if key in stored]
            arrays = {key: stored[key] for key in wanted if with_frames or key != "frames"}
        header = json.loads(arrays["header"].tobytes())
        return _clip_from(header, arrays)
    except FileNotFoundError:
        raise InputError(f"the clip {path} does not exist; check the path") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no whole clip file ({error}); delete it and make it again") from error


def _clip_from(header: dict, arrays: dict[str, np.ndarray]) -> Clip:
    annotation = Annotation(arrays["blendshapes"], arrays["pose"], arrays["valid"], arrays.get("landmarks"))
    name, identity, fps = str(header["name"]), str(header["identity"]), float(header["fps"])
    frames = arrays.get("frames", np.zeros((0, 0, 0, 3), dtype=np.uint8))
    return Clip(name, identity, fps, frames, annotation, arrays.get("flow"), arrays.get("occluded"))
