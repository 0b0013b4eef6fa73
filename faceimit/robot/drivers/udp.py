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
        """True if the datagram went out and neither it nor one before came back; False also if the network is down.

        On one machine a refusal comes at once; from another one a moment later, if its firewall lets it through.
        """
        try:
            before = self._came_back()
            return self._socket.send(datagram) == len(datagram) and not self._came_back() and not before
        except OSError:
            return False

    def _came_back(self) -> bool:
        """Whether a datagram did since this was asked last; a refusal nobody fetches fails the next one."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
