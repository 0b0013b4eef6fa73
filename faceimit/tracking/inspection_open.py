"""From a path to what can be inspected there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceimit.data.corpora.listing import entries, is_video
from faceimit.data.corpora.registry import CORPORA, list_corpus
from faceimit.data.pairs import is_hub_id, is_saved, read_pairs
from faceimit.errors import InputError
from faceimit.tracking.evaluations import is_evaluation
from faceimit.tracking.inspection_sources import PAIRS, ClipSource, Source, StoreSource, VideoSource

KINDS = (*CORPORA, "ameca")
Options = dict[str, Any]
TABLES = (".json", ".jsonl", ".csv")
RECORDING = ("commands.parquet", "frames.parquet")  # a table of pairs may have the name of one of them
CAN_BE = (
    "an annotation store, a corpus of videos (voxceleb, 300vw, caer, videos), Ameca pairs, a run folder, a folder of "
    "rendered clips or an exported bundle"
)


def open_source(path: Path, data: str | None = None, pairs: Mapping[str, Any] | None = None) -> Source:
    """What lies at a path.

    Args:
        path: file or folder; with ``data="ameca"`` also a table of the hub, ``OWNER/NAME``.
        data: name of the reader, where the path alone does not tell; None: found out.
        pairs: arguments of :func:`faceimit.data.pairs.read_pairs`.

    Raises:
        InputError: nothing there that can be inspected; what was looked for and what is there.
    """
    options = {name: value for name, value in (pairs or {}).items() if value is not None}
    source = _opened(path, data, options)
    if options and source.kind != PAIRS:
        given = ", ".join(f"--{name}" for name in options)
        raise InputError(f"{given} is for {PAIRS} but {path} is of kind {source.kind}, leave it out")
    return source


def _opened(path: Path, data: str | None, options: Options) -> Source:
    if data == "ameca":
        return _pairs(path, options)
    if not path.exists():
        hint = ", or add --data ameca for a table of the hub" if is_hub_id(str(path)) else ", check the path"
        raise InputError(f"expected {CAN_BE} at {path} but there is nothing{hint}")
    if data is not None:
        return VideoSource(list_corpus(data, path))
    return _open_file(path, options) if path.is_file() else _open_folder(path, options)


def _open_file(path: Path, options: Options) -> Source:
    if path.suffix == ".npz":
        return ClipSource(path.parent, [path])
    if path.suffix.lower() == ".parquet":
        return StoreSource(path.parent) if path.name.startswith("clips-") else _pairs(path, options)
    if path.suffix.lower() in TABLES:
        return _pairs(path, options)
    if is_video(path.name):
        return VideoSource(list_corpus("videos", path))
    raise InputError(f"expected {CAN_BE} but {path} is a {path.suffix or 'nameless'} file, give its folder")


def _open_folder(path: Path, options: Options) -> Source:
    if (path / "config.yaml").is_file():
        from faceimit.tracking.inspection_runs import run_source

        return run_source(path)
    recorded = all((path / name).is_file() for name in RECORDING)
    if recorded or is_evaluation(path):
        what = "a recording of faceimit-deploy" if recorded else "an evaluation"
        raise InputError(f"{path} is {what}, look at it with python -m faceimit.report {path}")
    if any(path.glob("clips-*.parquet")) or any((path / "parts").glob("*.parquet")):
        return StoreSource(path)
    if (path / "workers.log").is_file() and not any(path.glob("*.parquet")):
        raise InputError(f"{path} is an annotation store without a clip yet, see why in {path / 'report.json'}")
    if is_saved(path) or any(path.glob("*.parquet")):
        return _pairs(path, options)
    for corpus in ("voxceleb", "300vw", "caer"):
        try:
            return VideoSource(list_corpus(corpus, path))
        except InputError:
            continue
    return _open_any(path, options)


def _open_any(path: Path, options: Options) -> Source:
    """A folder without a layout of its own: pairs, clip files or videos, in this order."""
    folders, files = entries(path)
    if any(Path(name).suffix.lower() in TABLES for name in files):
        return _pairs(path, options)
    clips = sorted(path.rglob("*.npz"))
    if clips:
        try:
            return ClipSource(path, clips)
        except InputError:
            pass  # arrays of something else, such as annotations beside videos
    try:
        return VideoSource(list_corpus("videos", path))
    except InputError as error:
        shown = [f"{name}/" for name in folders[:4]] + files[:4]
        there = ", ".join(shown) or "nothing"
        raise InputError(f"expected {path} to be {CAN_BE} but it holds {there}, check the path") from error


def _pairs(path: Path, options: Options) -> Source:
    from faceimit.tracking.inspection_pairs import PairSource

    return PairSource(path, read_pairs(str(path), on_error="drop", **options))
