"""Ameca over Tritium, Engineered Arts' operating system, by way of its websocket gateway.

The gateway speaks JSON around GraphQL: ``{"type": "graphql", "auth_token", "request_id", "document",
"variable_values"}`` is answered by ``{"type": "graphql_response", "request_id", "data"}``; the headers
``x-tritium-token`` and ``x-tritium-session-metadata`` say who connects. It has no call that moves a joint, so every
command is a message ``{"v": 1, "seq", "values": {name: value}}`` on a channel to a script that runs on the robot. The
script comes with faceimit (:func:`robot_script`, with instructions at its top); it clamps once more, moves no faster
than its own limits, and eases to neutral by its own clock when messages stay away. The robot acts on messages, not on
connections, so that Engineered Arts' own clients can drive the script too: ``tritium-remote`` (1.4.1, which takes the
message as JSON text and writes requests as we do) and ``tritium-remote-py`` (1.1.3, which leaves the auth_token out).

The token comes from a file or from the environment, never from an option of a command, and is never logged.
"""

import itertools
import json
import logging
import os
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceimit.errors import InputError
from faceimit.robot.drivers.base import LOGGER, Driver
from faceimit.robot.drivers.options import in_range
from faceimit.robot.drivers.websocket import WebsocketLink

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

POST = "mutation PostMessage($input: PostMessageInput!) { postMessage(input: $input) }"
GREETING = "query { __typename }"  # any gateway answers it, if it accepts us
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)  # websockets writes headers, and so the token, to debug logs
_REFUSED = {1008, 3000, 3003, 4001, 4003, 4401, 4403}  # close codes of servers that refuse a token after the handshake


def robot_script() -> str:
    """Text of the script for the robot, instructions at its top."""
    return files(__package__).joinpath("tritium_robot_script.py.txt").read_text(encoding="utf-8")


@dataclass(eq=False, kw_only=True)
class Tritium(Driver):
    """Commands to faceimit's script on an Ameca.

    Attributes:
        host, port: of the gateway.
        secure: wss instead of ws.
        channel: that the script listens to.
        token_file: file whose only line is the token; without it the environment has it.
        token_variable: name of the environment variable with the token.
        timeout: seconds to wait for a connection.
    """

    needs = ("websockets",)

    host: str = "127.0.0.1"
    port: int = 1234
    secure: bool = False
    channel: str = "faceimit"
    token_file: Path | None = None
    token_variable: str = "TRITIUM_AUTH_TOKEN"
    timeout: float = 5.0
    _link: WebsocketLink | None = field(init=False, repr=False, default=None)
    _numbers: Any = field(init=False, repr=False, default_factory=itertools.count)
    _secret: str = field(init=False, repr=False, default="")
    _complaint: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range(self.port, 1, 65535, "option port")
        in_range(self.timeout, 0.1, 60.0, "option timeout")

    @property
    def url(self) -> str:
        """Of the gateway."""
        return f"{'wss' if self.secure else 'ws'}://{self.host}:{self.port}"

    def _connect(self) -> None:
        self._link = WebsocketLink(self._dial, self._heard)
        try:
            self._link.open()
        except OSError as error:
            raise InputError(
                f"cannot reach Tritium at {self.url} ({error}), "
                "check that the robot is on, and the options host and port"
            ) from error

    def _transmit(self, values: np.ndarray, now: float) -> bool:
        return self._post({"v": 1, "seq": next(self._numbers), "values": self.profile.command(values)})

    def _keep_still(self) -> None:
        self._post({"v": 1, "seq": next(self._numbers), "halt": True})

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _post(self, message: dict[str, Any]) -> bool:
        assert self._link is not None
        return self._link.offer(self._request(POST, {"input": {"channel": self.channel, "message": message}}))

    def _request(self, document: str, variables: dict[str, Any]) -> str:
        request = {"type": "graphql", "auth_token": self._secret, "request_id": next(self._numbers)}
        return json.dumps(request | {"document": document, "variable_values": variables}, separators=(",", ":"))

    def _token(self) -> str:
        """The token, read anew for each connection.

        Raises:
            InputError: there is none, or it is not one line of visible characters.
        """
        if self.token_file is not None:
            try:
                token = self.token_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"cannot read the Tritium token in {self.token_file}: {error}") from error
        else:
            token = os.environ.get(self.token_variable, "").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            where = self.token_file or f"the environment variable {self.token_variable}"
            raise InputError(f"expected one Tritium token in {where} but got none, put it there or name a token_file")
        return token

    def _dial(self) -> "ClientConnection":
        """Connect and be answered once.

        Raises:
            InputError: the token is missing or refused, or who answers is no Tritium.
            OSError: nobody there.
        """
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect

        metadata = json.dumps({"session_type": "graphql", "description": "faceimit"})
        self._secret = self._token()
        headers = {"x-tritium-token": self._secret, "x-tritium-session-metadata": metadata}
        try:
            # entered without a with block, for the link's thread owns it
            socket = connect(
                self.url,
                additional_headers=headers,
                open_timeout=self.timeout,
                close_timeout=0.5,
                logger=_SILENT,
                compression=None,
                proxy=None,
            ).__enter__()
        except InvalidStatus as error:
            raise self._refusal(error.response.status_code) from error
        except InvalidHandshake as error:
            raise InputError(f"expected Tritium at {self.url} but what answers is no websocket ({error})") from error
        try:
            socket.send(self._request(GREETING, {}))
            answer = json.loads(socket.recv(timeout=self.timeout))
            if not isinstance(answer, dict) or answer.get("type") != "graphql_response":
                raise ValueError("another protocol")
        except ConnectionClosed as error:
            socket.close()
            if error.rcvd is not None and error.rcvd.code in _REFUSED:
                raise self._refusal(error.rcvd.code) from error
            raise ConnectionError("it hung up") from error
        except (ValueError, TypeError) as error:
            socket.close()
            raise InputError(f"expected Tritium at {self.url} but got an answer of {error}, check the port") from error
        except BaseException:
            socket.close()
            raise
        return socket

    def _refusal(self, code: int) -> InputError:
        if code in {401, 403} | _REFUSED:
            where = self.token_file or f"the environment variable {self.token_variable}"
            return InputError(f"Tritium at {self.url} refuses the token in {where} ({code}), put a valid one there")
        return InputError(f"expected Tritium at {self.url} but it answers with status {code}, check the port")

    def _heard(self, text: str) -> bool:
        """Whether a message answers one of ours; what the gateway complains of is logged, each complaint once."""
        try:
            message = json.loads(text)
        except ValueError:
            return False
        if not isinstance(message, dict) or message.get("type") != "graphql_response":
            return False
        data = message.get("data")
        complaints = (data.get("errors") if isinstance(data, dict) else None) or message.get("errors")
        if complaints and str(complaints) != self._complaint:
            self._complaint = str(complaints)
            LOGGER.warning("Tritium complains: %s", self._complaint[:500])
        return True
