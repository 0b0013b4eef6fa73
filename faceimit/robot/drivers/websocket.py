"""One websocket kept open by a thread: it reconnects with back-off, and of what is to be sent keeps the latest."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from faceimit.errors import InputError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

LOGGER = logging.getLogger(__name__)
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0  # seconds between attempts: doubled each time
WINDOW = 4  # messages that may wait for an answer; then the next one waits, and newer ones take its place


class WebsocketLink:
    """A thread that owns a websocket.

    Args:
        connect: opens the websocket; raises InputError where trying again is of no use.
        heard: is told every text that arrives, and says whether it answers one of ours.
        answer_within: seconds after which a peer that owes an answer counts as gone.
    """

    def __init__(
        self, connect: Callable[[], "ClientConnection"], heard: Callable[[str], bool], answer_within: float = 2.0
    ) -> None:
        self._connect, self._heard, self._answer_within = connect, heard, answer_within
        self._socket: ClientConnection | None = None
        self._waiting: str | None = None
        self._change = threading.Condition()
        self._stopping = False
        self._unanswered, self._said = 0, ""
        self._thread = threading.Thread(target=self._run, name="faceimit-websocket", daemon=True)
        self.replaced = 0  # messages that a newer one took the place of

    def open(self) -> None:
        """Connect.

        Raises:
            InputError: the peer refuses us.
            OSError: it cannot be reached.
        """
        self._socket = self._connect()
        self._thread.start()

    def offer(self, message: str) -> bool:
        """Have a message sent, in place of one that still waits; False while the peer is gone."""
        with self._change:
            if self._socket is None or self._stopping:
                return False
            self.replaced += self._waiting is not None
            self._waiting = message
            self._change.notify_all()
            return True

    def close(self, within: float = 1.0) -> None:
        """Send what waits and close, in bounded time."""
        deadline = time.monotonic() + within
        with self._change:
            self._change.wait_for(lambda: self._socket is None or self._idle(), within)
            self._stopping = True
            self._change.notify_all()
            socket = self._socket
        if self._thread.is_alive():
            self._thread.join(max(deadline - time.monotonic(), 0.2))
        if socket is not None:
            with contextlib.suppress(Exception):  # it is to be closed, whatever became of it
                socket.close()
        if self._thread.is_alive():
            self._thread.join(within)

    def _idle(self) -> bool:
        return self._waiting is None and self._unanswered == 0

    def _run(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping:
            if self._socket is None:
                with self._change:
                    if self._change.wait_for(lambda: self._stopping, wait):
                        return
                wait = min(2 * wait, LONGEST_WAIT)
                self._reconnect()
            else:
                wait = FIRST_WAIT
                self._serve(self._socket)

    def _reconnect(self) -> None:
        try:
            socket = self._connect()
        except (OSError, ValueError) as error:  # InputError is a ValueError: it is worth a warning, once
            news = isinstance(error, InputError) and str(error) != self._said
            LOGGER.log(logging.WARNING if news else logging.INFO, "not reconnected: %s", error)
            self._said = str(error)
            return
        with self._change:
            if not self._stopping:
                self._socket, self._waiting, self._unanswered, self._said = socket, None, 0, ""
                return
        socket.close()  # nobody waits for it any more

    def _serve(self, socket: "ClientConnection") -> None:
        """Send and listen until the peer is gone or the link is closed."""
        from websockets.exceptions import WebSocketException

        try:
            while not self._stopping:
                self._listen(socket)
                message = self._next()
                if message is not None:
                    socket.send(message)
        except (WebSocketException, OSError, TimeoutError) as error:
            LOGGER.info("the websocket is gone: %s", error)
        with self._change:
            self._socket, self._waiting = None, None
            self._change.notify_all()
        with contextlib.suppress(Exception):
            socket.close()

    def _next(self) -> str | None:
        with self._change:
            if self._unanswered == 0:
                self._change.wait_for(lambda: self._stopping or self._waiting is not None, 0.05)
            message = None if self._unanswered >= WINDOW else self._waiting
            if message is not None:
                self._waiting = None
                self._unanswered += 1
            return message

    def _listen(self, socket: "ClientConnection") -> None:
        """Take in what has arrived; wait for an answer where too many are owed or nothing is to be sent.

        Raises:
            TimeoutError: the peer owes an answer for too long.
        """
        deadline = time.monotonic() + self._answer_within
        while not self._stopping:
            owed = self._unanswered and (self._waiting is None or self._unanswered >= WINDOW)
            try:
                text = socket.recv(timeout=0.003 if owed else 0)
            except TimeoutError:
                if not owed or (self._waiting is not None and self._unanswered < WINDOW):
                    return
                if time.monotonic() > deadline:
                    raise
                continue
            if self._heard(text if isinstance(text, str) else text.decode()):
                with self._change:
                    self._unanswered = max(self._unanswered - 1, 0)
                    self._change.notify_all()
