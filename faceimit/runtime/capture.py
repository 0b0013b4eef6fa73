"""A thread that takes pictures from a source and leaves the latest one for who wants it."""

import threading
import time
from collections.abc import Callable

from faceimit.runtime.handover import Latest
from faceimit.runtime.sources import Picture, Source, SourceLostError

Clock = Callable[[], float]
RETRY_S = (0.1, 2.0)  # first and longest pause before a lost source is asked again
JOIN_S = 2.0


class Capture:
    """Reads a source until it ends; a context manager. A recording is played at its own pace.

    A live source that is lost is asked again and again, with growing pauses: the robot rests meanwhile.

    Args:
        source: gives pictures.
        clock: monotonic seconds.

    Attributes:
        latest: the picture nobody has taken yet.
        captured: pictures so far.
        losses: how often the source was lost.
        error: what ended the thread, if it was not the end of the source.
    """

    def __init__(self, source: Source, clock: Clock = time.monotonic) -> None:
        self.source, self.latest = source, Latest[Picture]()
        self.captured = self.losses = 0
        self.error: Exception | None = None
        self._clock, self._stop = clock, threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> "Capture":
        self._start = self._clock()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(JOIN_S)
        # A camera's read may block for longer; the thread is a daemon and ends with the process at the latest.
        if not self._thread.is_alive():
            self.source.close()

    def _run(self) -> None:
        try:
            self._read_all()
        except Exception as error:
            self.error = error
        finally:
            self.latest.close()

    def _read_all(self) -> None:
        pause = RETRY_S[0]
        while not self._stop.is_set():
            before = self.captured
            try:
                self._read()
                if not self.source.live:
                    return
            except SourceLostError:
                self.losses += 1
            pause = RETRY_S[0] if self.captured > before else min(2 * pause, RETRY_S[1])
            self._stop.wait(pause)

    def _read(self) -> None:
        for time_s, image in self.source.pictures():
            if not self.source.live:
                self._stop.wait(max(0.0, self._start + time_s - self._clock()))
            if self._stop.is_set():
                return
            now = self._clock()
            time_s = now - self._start if self.source.live else time_s
            self.latest.put(Picture(self.captured, now, image, time_s))
            self.captured += 1
