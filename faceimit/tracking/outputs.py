"""Outputs that a user names: what would destroy something or cannot be written is refused before the work begins."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from faceimit.errors import InputError, unwritable
from faceimit.tracking.files import write_bytes

SCREEN = Path("/dev/stdout")
PAGE_ENDINGS = (".html", ".htm")
PICTURE_ENDINGS = (".png",)


def check_outputs(
    outputs: Mapping[str, Path | None],
    inputs: Iterable[Path | str | None] = (),
    suffixes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Refuse files that cannot be written, before hours are spent on what goes into them.

    Args:
        outputs: what is written where, by the option that names it (``--json``); None is not asked for.
        inputs: files and folders the command reads, which no output may overwrite; what is no path of this machine
            (an URL, ``camera:0``) is passed over.
        suffixes: the endings an option's file may have if it has one, where another would promise another format.

    Raises:
        InputError: two outputs are one file, one would overwrite an input or a file of a folder that is read (but for
            a page, which no command reads), has another format's ending, is a folder, or its folder cannot be written.
    """
    asked = {option: path for option, path in outputs.items() if path is not None}
    taken: dict[Path, str] = {}
    for option, path in asked.items():
        if path == Path("-"):
            raise InputError(f"{option} - names no file, give /dev/stdout for the standard output")
        target = path.resolve()
        if target in taken:
            raise InputError(f"{taken[target]} and {option} have the same name {path}, give each its own")
        taken[target] = option
        if target.is_dir():
            raise InputError(f"{option} {path} is a folder, give a file name such as {path / 'out'}")
        _check_not_read(option, path, inputs)
        _check_ending(option, path, (suffixes or {}).get(option, ()))
        if target.is_file() or not path.exists():  # not a device or a pipe, such as /dev/stdout may be
            _check_writable(path, target.parent)


def check_output_folder(option: str, path: Path, inputs: Iterable[Path | str | None] = ()) -> None:
    """Refuse a folder that cannot be made or written, is a file, or would replace what is read.

    Raises:
        InputError: as said.
    """
    target = path.resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"{option} {path} is a file, give the name of a folder")
    for source in _paths(inputs):
        if target == source or target in source.parents:
            raise InputError(f"{option} {path} would overwrite {source}, which is read, give another name")
    _check_writable(path, target)


def check_new(option: str, *paths: Path) -> None:
    """Refuse to replace what is there, for outputs nobody expects to replace anything: examples.

    Raises:
        InputError: one of the files is there already.
    """
    for path in paths:
        if path.exists():
            raise InputError(f"{option}: {path} is there already, give another name or move it away")


def write_output(path: Path, content: bytes) -> None:
    """Write whole or not at all; straight into a device or pipe such as /dev/stdout, which must not be replaced.

    Raises:
        InputError: it cannot be written.
    """
    target = path.resolve()
    if not path.is_relative_to("/dev") and (target.is_file() or not target.exists()):
        write_bytes(target, content)
        return
    try:
        if path == SCREEN:  # opened anew it would begin at the start of the file it leads to
            with os.fdopen(os.dup(1), "wb") as screen:
                screen.write(content)
        else:
            path.write_bytes(content)
    except BrokenPipeError:  # whoever reads it has seen enough
        raise
    except OSError as error:
        raise unwritable(path, error) from error


def _paths(inputs: Iterable[Path | str | None]) -> list[Path]:
    return [Path(source).resolve() for source in inputs if source is not None and Path(source).exists()]


def _check_ending(option: str, path: Path, allowed: Sequence[str]) -> None:
    if allowed and path.suffix and path.suffix.lower() not in allowed:
        name = path.with_suffix(allowed[0])
        raise InputError(f"{option} writes {' or '.join(allowed)} but got {path}, name it such as {name}")


def _check_not_read(option: str, path: Path, inputs: Iterable[Path | str | None]) -> None:
    target = path.resolve()
    page = target.suffix.lower() in PAGE_ENDINGS
    for source in _paths(inputs):
        if target.exists() and (os.path.samefile(target, source) or (source in target.parents and not page)):
            raise InputError(f"{option} {path} would overwrite what is read from {source}, give another name")


def _check_writable(path: Path, folder: Path) -> None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(path, error) from error
