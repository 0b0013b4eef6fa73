"""What asks a command to end: Ctrl-C and SIGTERM, which a cluster sends before it takes a machine away."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

AGAIN_S = 1.0  # timeout(1) and srun send the same signal to the group and to the process


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command as Ctrl-C does, with exit code 143."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated` in the main thread, unless somebody handles or ignores it already."""
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    owner, last = os.getpid(), -AGAIN_S  # monotonic times are positive

    def terminate(number: int, _: FrameType | None) -> None:
        nonlocal last
        if os.getpid() != owner:  # a copy that fork made, which is to end as if this were not here
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        before, last = last, time.monotonic()
        if last - before > AGAIN_S:
            raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        if last < 0:
            raise
        raise Terminated from error  # libraries that wait make a KeyboardInterrupt of any exception of a handler
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Afterwards Ctrl-C and SIGTERM do what they did: Lightning, stopped, leaves one ignored, the other to itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # in another thread nobody has changed them
            for number, handler in before.items():
                signal.signal(number, handler)


def undisturbed(loader: Any) -> None:
    """Have the processes that load data for a ``DataLoader`` ignore what asks their group to end.

    They are needed to the end of the step, and end with the process that started them.
    """
    begin = getattr(loader, "worker_init_fn", None)
    if hasattr(loader, "worker_init_fn") and getattr(begin, "func", None) is not _begin_undisturbed:
        loader.worker_init_fn = partial(_begin_undisturbed, begin)


def _begin_undisturbed(begin: Callable[[int], object] | None, number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for_parent, daemon=True).start()
    if begin is not None:
        begin(number)


def _end_for_parent() -> None:
    """SIGTERM of the process that started this one ends it, that of others does not."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


class Requests:
    """Ctrl-C and SIGTERM noted instead of obeyed, while what is under way is finished; a second Ctrl-C is obeyed.

    Attributes:
        asked: the number of the signal that came first; 0: none.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._before: dict[int, Any] = {}
        self._owner = 0

    def listen(self, terminate: Any) -> None:
        """From here on, in the main thread only; elsewhere whoever runs it handles signals.

        Args:
            terminate: handler of SIGTERM afterwards.
        """
        self._owner = os.getpid()
        with contextlib.suppress(ValueError):
            self._before = {signal.SIGINT: signal.signal(signal.SIGINT, self._note), signal.SIGTERM: terminate}
            signal.signal(signal.SIGTERM, self._note)

    def restore(self) -> None:
        """Give the signals back."""
        for number in list(self._before):
            self._restore(number)

    def _note(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a process that loads data
            return
        self._restore(signal.SIGINT)
        if not self.asked:
            with contextlib.suppress(OSError, RuntimeError):  # nobody listens, or a line was just being written
                print("\nstopping after this step; Ctrl-C again stops at once", file=sys.stderr, flush=True)
        self.asked = self.asked or number

    def _restore(self, number: int) -> None:
        if number in self._before:
            signal.signal(number, self._before.pop(number))
