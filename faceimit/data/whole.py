"""Files of data that appear whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faceimit.errors import unwritable


@contextmanager
def written_whole(path: Path, name: Callable[[Path], str] | None = None) -> Iterator[Path]:
    """A temporary path beside `path` to write to; at the end of the block it is flushed and takes the name `path`.

    The temporary name starts with a dot and ends in no suffix a reader looks for; after an error nothing is left.

    Args:
        path: where to.
        name: gives the final file name from the finished temporary file; None: that of `path`.

    Raises:
        InputError: the disk is full or the folder cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(unfinished)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path if name is None else path.with_name(name(temporary)))
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
