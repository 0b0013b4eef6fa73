"""Libraries that talk on stderr: silenced for a moment, so that what we have to say stands alone."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Keep off stderr what MediaPipe's C++ says while it starts (six lines each time); it has no switch for that."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def without_retries() -> Iterator[None]:
    """Keep off stderr each attempt of the Hugging Face hub's client to reach it: the last one becomes an error."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
