"""Datagrams to one address, sent without waiting."""

import socket

from faceimit.errors import InputError
from faceimit.robot.drivers.options import in_range


class UdpSender:
    """A connected UDP socket: where the system says that nobody listens, :meth:`send` tells.

    Args:
        host: name or address.
        port: 1 to 65535.
        what: who listens there, for messages.

    Raises:
        InputError: the port is out of range, or the host is unknown.
    """

    def __init__(self, host: str, port: int, what: str) -> None:
        in_range(port, 1, 65535, "option port")
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.connect(address)
        except OSError as error:
            raise InputError(f"cannot reach {what} at {host}:{port} ({error}), check the option host") from error

    def send(self, datagram: bytes) -> bool:
        """True if the datagram went out; False if the last one came back or the network is down."""
        try:
            return self._socket.send(datagram) == len(datagram)
        except OSError:
            return False

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
