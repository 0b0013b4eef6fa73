"""Becomes the Python command it is given, one that Linux interrupts (Ctrl-C) when its parent dies, even by kill -9.

python -m faceimit.tracking.child -m faceimit.train ...
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Elsewhere than on Linux an orphan trains on; the lock of a sweep's trial tells the next sweep to wait for it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where a shell started the parent in the background
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


def started(command: Sequence[str], **options: Any) -> subprocess.Popen:
    """This Python with these arguments, in a session of its own: Ctrl-C is for the parent to pass on, once."""
    words = [sys.executable, "-m", "faceimit.tracking.child", *command]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)


if __name__ == "__main__":
    main()
