"""The model file of the MediaPipe annotator: given by path, or fetched once from its official address."""

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from faceimit.data.whole import written_whole
from faceimit.errors import InputError

ADDRESS = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
TIMEOUT_S = 30.0


def model_file(given: str | os.PathLike[str] | None = None) -> Path:
    """The model file: the one given, the one in the cache, or fetched into the cache.

    Raises:
        InputError: the file given does not exist; there is no network; what was fetched has another checksum.
    """
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise InputError(f"face model {path} does not exist: give a MediaPipe face_landmarker .task file")
        return path
    cached = cached_path()
    if not cached.is_file():
        _fetch(cached)
    return cached


def known_model_file(given: str | os.PathLike[str] | None = None) -> Path | None:
    """As :func:`model_file`, but fetches nothing: None if no file is given and none is in the cache."""
    return model_file(given) if given is not None or cached_path().is_file() else None


def cached_path() -> Path:
    """Where the fetched model lies; ``XDG_CACHE_HOME`` moves it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "faceimit" / f"face_landmarker-{SHA256[:12]}.task"


def how_to_get() -> str:
    """A sentence for people without the file."""
    return (
        f"download {ADDRESS} where there is a network and give the file with --model "
        f"(configurations: model=FILE), or put it at {cached_path()}"
    )


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}), check the path") from error


def _fetch(path: Path) -> None:
    try:
        with urllib.request.urlopen(ADDRESS, timeout=TIMEOUT_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"MediaPipe's face model cannot be fetched ({reason}); {how_to_get()}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise InputError(
            f"expected the face model at {ADDRESS} to have the checksum {SHA256} but got {found} "
            f"({len(content)} bytes), try again without a proxy, or give a file you trust with --model"
        )
    with written_whole(path) as unfinished:
        unfinished.write_bytes(content)
