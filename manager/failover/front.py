"""Tells the TLS front of this machine what to do, over its own socket: serve the name, or stand by with it."""

import http
import http.client
import logging
import socket
import struct
from pathlib import Path

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.errors import one_line
from hopmap.logs import event
from manager.core import front as core
from manager.core.front import Front

_SOCKET = "admin.sock"
_SECONDS = 20.0
_PEER = struct.Struct("3i")  # unix(7): process, user and group of who listens
_log = logging.getLogger(__name__)


class FrontControl:
    """The front with its socket in `storage`. Leading it gets certificates; standing by it uses the one that is there.

    A manager that stands by must not ask for certificates: the name leads elsewhere, and each try in vain counts.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._told = ("", 0.0, 0)
        self._said = ""
        self.storage = Path(front.storage)

    def tell(self, *, leads: bool) -> None:
        """See to it that it does what it should; what fails is logged once, and tried again at the next call."""
        certificate = self.certificate()
        text = core.caddyfile(self._front) if leads else core.standby_caddyfile(self._front, certificate)
        renewed = Path(certificate[0]).stat().st_mtime if certificate and not leads else 0.0
        now = text, renewed, self._process()  # one that was started anew begins idle
        if now == self._told:
            return
        client = Client(Endpoint.parse(f"unix://{self._front.storage}/{_SOCKET}"), timeout=_SECONDS)
        # a front that was told the same before still has a certificate in its store that it must look at anew
        headers = {"Content-Type": "text/caddyfile", "Cache-Control": "must-revalidate", "Host": ""}
        try:
            with client:
                answer = client.request("POST", "/load", text.encode(), headers)
        except Unreachable as error:
            self._say(one_line(error))
            return
        if answer.status == http.HTTPStatus.OK:
            self._told, self._said = now, ""
        else:
            self._say(answer.body[:200].decode("utf-8", "replace"))

    def _say(self, why: str) -> None:
        """Once, and not with every look."""
        if why != self._said:
            event(_log, logging.WARNING, "front_not_told", why=why)
            self._said = why

    def _process(self) -> int:
        """The process id of the front that listens; 0 for none."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(_SECONDS)
            try:
                asked.connect(f"{self._front.storage}/{_SOCKET}")
            except OSError:
                return 0
            peer: int = _PEER.unpack(asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))[0]
            return peer

    def certificate(self) -> tuple[str, str] | None:
        """The newest certificate of the name in the front's storage, and its key."""
        pairs = Path(self._front.storage).glob(f"certificates/*/{self._front.domain.lower()}/*.crt")
        whole = [(path, path.with_suffix(".key")) for path in pairs if path.with_suffix(".key").exists()]
        if not whole:
            return None
        newest = max(whole, key=lambda pair: pair[0].stat().st_mtime)
        return str(newest[0]), str(newest[1])
