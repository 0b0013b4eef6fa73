"""The bundle of a checkpoint, exported once and found again by what it was made of."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

from faceimit import __version__
from faceimit.bundle.format import FORMAT
from faceimit.bundle.load import Bundle, load_bundle
from faceimit.errors import InputError

SHIPPED, NONE = "shipped", "none"
FOLDER = "bundles"
_WEIGHTS = ("keyframe", "landmarks", "mapper")


def bundle_of(
    checkpoint: str,
    landmarks: str | None = None,
    mapping: str | None = None,
    robot: str = "ameca",
    threads: int = 1,
    quantize: str | None = None,
) -> tuple[Bundle, Path, float]:
    """Load the bundle of a checkpoint, exporting it first if that was not done yet or the bundle is damaged.

    The export runs in a process of its own, so that torch never comes into this one.

    Args:
        checkpoint: of a keyframe task, a .safetensors weights file, or "shipped".
        landmarks: as for ``faceimit-export``.
        mapping: likewise.
        robot: profile it is meant for.
        threads: of each graph.
        quantize: None or "int8".

    Returns:
        The bundle; its folder, ``bundles/`` in the run, or the user's cache where the run cannot be written; and the
        seconds the export took, 0 where there was none.

    Raises:
        InputError: what the export refuses.
    """
    folder = _place(checkpoint) / "-".join(
        [robot, *([quantize] if quantize else []), _key([checkpoint, landmarks, mapping])]
    )
    if folder.is_dir():
        try:
            return load_bundle(folder, threads), folder, 0.0
        except InputError:
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or written by another version: made anew
    options = [("--checkpoint", checkpoint), ("--landmarks", landmarks), ("--mapping", mapping), ("--robot", robot)]
    options += [("--quantize", quantize)]
    words = [word for option, value in options if value is not None for word in (option, value)]
    print(f"exporting {checkpoint} to {folder}, once; half a minute", file=sys.stderr, flush=True)
    start = time.monotonic()
    command = [sys.executable, "-m", "faceimit.export", *words, "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"faceimit-export ended with code {done.returncode}"]
        raise InputError(lines[-1].removeprefix("error: "))
    exported = time.monotonic() - start
    return load_bundle(folder, threads), folder, exported


def _place(checkpoint: str) -> Path:
    """Folder for bundles: the run's, else the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "faceimit" / FOLDER
    parent = Path(checkpoint).resolve().parent
    in_run = checkpoint != SHIPPED and parent.name == "checkpoints" and os.access(parent.parent, os.W_OK)
    return parent.parent / FOLDER if in_run else cache


def _key(sources: list[str | None]) -> str:
    """Of all that goes into a bundle: our version, the format and the content of the weights."""
    digest = hashlib.sha256(f"{__version__} {FORMAT} {sources[1:]}".encode())
    for source in sources:
        if source in {None, SHIPPED, NONE}:
            continue
        try:
            digest.update(Path(str(source)).read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {source} ({error.strerror}), check the path") from error
    for name in _WEIGHTS:
        shipped = resources.files("faceimit").joinpath("weights", f"{name}.safetensors")
        digest.update(shipped.read_bytes() if shipped.is_file() else b"none")
    return digest.hexdigest()[:12]
