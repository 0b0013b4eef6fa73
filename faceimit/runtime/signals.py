"""Ctrl-C, SIGTERM and a closed terminal end a run by way of neutral; a second Ctrl-C stops the robot where it is."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from faceimit.runtime.live import Stop

INTERRUPTED, TERMINATED = "interrupted", "terminated"
_REASONS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _REASONS[signal.SIGHUP] = TERMINATED


class Signals:
    """Catches them while it is entered; outside of the main thread it does nothing."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._caught) for number in _REASONS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._stop.ask(_REASONS[signal.Signals(number)])
