"""One echo at a time through the kernel, by icmplib: with CAP_NET_RAW, or with a ping socket where those are open."""

import socket

from icmplib import (
    ICMPError,
    ICMPLibError,
    ICMPRequest,
    ICMPv4Socket,
    SocketPermissionError,
    TimeoutExceeded,
)

from agents.core.flow import contact_bytes
from agents.terminal.echo import Echo
from hopmap import addresses
from hopmap.errors import UserError, one_line


class KernelEcho:
    """Asks over a socket of its own. The guard was asked before; `device` ties the socket to the lab's."""

    def __init__(self, identifier: int, contact: str, device: str | None) -> None:
        self._identifier = identifier
        self._payload = contact_bytes(contact) or None
        self._socket = _open()
        if device is not None:
            self._socket.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")

    def ask(self, address: int, sequence: int, patience: float) -> Echo:
        """One echo request to a u32, and what came back within `patience` seconds. OSError when it can't be sent."""
        request = ICMPRequest(
            addresses.text(address), self._identifier, sequence, payload=self._payload, payload_size=56
        )
        try:
            self._socket.send(request)
            reply = self._socket.receive(request, patience)
            reply.raise_for_status()
        except TimeoutExceeded:
            return Echo(None)
        except ICMPError as error:
            return Echo(None, f"{error.reply.source}: {one_line(error)}")
        except ICMPLibError as error:
            raise OSError(one_line(error)) from error
        return Echo((reply.time - request.time) * 1000)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def _open() -> ICMPv4Socket:
    for privileged in (True, False):
        try:
            return ICMPv4Socket(privileged=privileged)
        except SocketPermissionError:
            continue
    raise UserError(
        "pings are not permitted here: run as root, or open ping sockets to your group "
        "(sysctl net.ipv4.ping_group_range)"
    )
