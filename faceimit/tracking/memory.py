"""Freed memory stays with the process: a training step asks for the same large blocks again and again.

By default glibc gives every large block back to the system, which must map and clear its pages anew; on a virtual
machine that is more than half the time of the flow network on the CPU (44 against 19 ms a pair of frames at 128 px).
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed; False where there is no glibc. To be called before the work begins."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 * 2**20))
    return all(mallopt(name, value) for name, value in settings)
