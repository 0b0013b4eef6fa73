"""What passes between threads: a place for one thing, where the latest wins, so that nothing ever queues up; and work
that is put off until there is time.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

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


class WhenIdle(Executor):
    """Does one thing after another in a thread of its own, but begins with none before the next :meth:`go`.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._put_off: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """To be done after the next :meth:`go`."""
        future: Future[Any] = Future()
        self._put_off.append((future, lambda: fn(*args, **kwargs)))
        return future

    def go(self) -> None:
        """Now there is time."""
        work, self._put_off = self._put_off, []
        for future, do in work:
            self._pool.submit(_fulfil, future, do)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of :class:`concurrent.futures.Executor`; what waits for :meth:`go` is never done."""
        for future, _ in self._put_off:
            future.cancel()
        self._put_off = []
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _fulfil(future: Future[Any], do: Callable[[], Any]) -> None:
    try:
        future.set_result(do())
    except Exception as error:
        future.set_exception(error)
