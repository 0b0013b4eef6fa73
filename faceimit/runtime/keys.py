"""Keys of the terminal that stop a robot: Escape or space at once, on the spot; q by way of neutral."""

import select
import sys
import threading
from types import TracebackType
from typing import Any

from faceimit.runtime.live import Stop

LOOK_S = 0.1
HINT = "space or Esc: emergency stop; q: to neutral, then end"


class Keys:
    """Listens while it is entered, if standard input is a terminal; otherwise it does nothing."""

    def __init__(self, stop: Stop) -> None:
        self._stop, self._over = stop, threading.Event()
        self._thread: threading.Thread | None = None
        self._before: Any = None

    @property
    def listens(self) -> bool:
        """Whether there are keys to listen to."""
        return self._thread is not None

    def __enter__(self) -> "Keys":
        if sys.stdin is None or not sys.stdin.isatty():
            return self
        try:
            import termios
            import tty
        except ImportError:  # no such terminals on Windows; Ctrl-C works there
            return self
        self._before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        self._thread = threading.Thread(target=self._listen, name="keys", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            import termios

            self._thread.join()
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _listen(self) -> None:
        while not self._over.is_set():
            if select.select([sys.stdin], [], [], LOOK_S)[0]:
                self._pressed(sys.stdin.read(1))

    def _pressed(self, key: str) -> None:
        if key in {" ", "\x1b"}:
            self._stop.ask("emergency stop", halt=True)
        elif key in {"q", "Q"}:
            self._stop.ask("stopped by key")
        elif key == "":
            self._over.set()
