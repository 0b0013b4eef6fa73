"""A place for one thing between two threads: the latest wins, so that nothing ever queues up."""

import threading
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Latest(Generic[Thing]):
    """One thread puts, another takes; what was not taken before the next came is dropped and counted.

    Attributes:
        put_count: things put.
        dropped: things that were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._thing: Thing | None = None
        self._closed = False
        self.put_count = self.dropped = 0

    def put(self, thing: Thing) -> None:
        """Leave a thing, in place of one nobody took."""
        with self._ready:
            self.dropped += self._thing is not None
            self.put_count += 1
            self._thing = thing
            self._ready.notify()

    def take(self, timeout: float | None = None) -> Thing | None:
        """The latest thing; None when none came within ``timeout`` seconds or none will ever come."""
        with self._ready:
            self._ready.wait_for(lambda: self._thing is not None or self._closed, timeout)
            thing, self._thing = self._thing, None
            return thing

    def close(self) -> None:
        """Nothing more will be put; what lies there can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def empty(self) -> bool:
        """Nothing lies there now."""
        with self._ready:
            return self._thing is None

    @property
    def ended(self) -> bool:
        """Closed, and nothing left to take."""
        with self._ready:
            return self._closed and self._thing is None
