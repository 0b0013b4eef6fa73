"""Becomes the Python command it is given, one that Linux interrupts (Ctrl-C) when its parent dies, even by kill -9.

python -m faceimit.sweeping.child -m faceimit.train ...
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Elsewhere than on Linux an orphan trains on; its lock tells the next sweep to wait for it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored where a shell started the sweep in the background
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


if __name__ == "__main__":
    main()
