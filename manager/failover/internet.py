"""What a manager sees of the internet: the name's addresses, who answers there, whether others can be reached."""

import http
import secrets
import socket
import time
from collections.abc import Sequence

from hopmap.client import Endpoint
from manager.failover.core import word as words
from manager.failover.core.word import NotGenuine, Word
from manager.fleet.core.destination import Refused
from manager.fleet.line import Line, Silent

HEADER = "X-Hopmap-Peer"
PATH, STATE_PATH, PROGRAM_PATH, NEWS_PATH = "/peer", "/peer/state", "/peer/agent", "/peer/news"
_LARGEST = 256 << 20
_LONG = 10.0  # a leader that hangs must not make looks rarer: a copy may take two of them


class Peers:
    """Asks managers of the name, each question proven and bound to its answer."""

    def __init__(self, domain: str, key: bytes, line: Line, seconds: float) -> None:
        self._to, self._domain = Endpoint.parse(f"https://{domain}"), domain
        self._key, self._line, self._seconds = key, line, seconds

    def addresses(self) -> Sequence[str]:
        """The IPv4 addresses of the name; empty when nobody tells."""
        try:
            found = socket.getaddrinfo(self._domain, 443, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            return ()
        return tuple(dict.fromkeys(str(one[4][0]) for one in found))

    def ask(self, address: str, mine: Word) -> Word | None:
        """Who answers as a manager of the name at an address; None when nobody does."""
        nonce = secrets.token_hex(16)
        content = self._get(address, PATH, words.said(self._key, words.ASK, nonce, mine), self._seconds)
        try:
            return words.heard(self._key, words.ANSWER, content, nonce)[1]
        except NotGenuine:
            return None

    def state(self, address: str, mine: Word) -> bytes:
        """The sealed state of the leader there; empty when it gives none."""
        return self._get(address, STATE_PATH, words.said(self._key, words.ASK, "state", mine), _LONG * self._seconds)

    def tell(self, address: str, mine: Word) -> None:
        """Say to who stands by there that there is something to copy. Who does not hear it finds out with a look."""
        self._get(address, NEWS_PATH, words.said(self._key, words.ASK, "news", mine), self._seconds)

    def program(self, address: str, mine: Word, sha256: str) -> bytes:
        """A file of an agent from the leader there; empty when it gives none."""
        return self._get(
            address, f"{PROGRAM_PATH}/{sha256}", words.said(self._key, words.ASK, sha256, mine), _LONG * self._seconds
        )

    def _get(self, address: str, path: str, question: bytes, seconds: float) -> bytes:
        headers = {HEADER: question.decode()}
        try:
            answer = self._line.request(
                self._to, "GET", path, headers=headers, seconds=seconds, limit=_LARGEST, address=address
            )
        except (Silent, Refused):
            return b""
        return answer.body if answer.status == http.HTTPStatus.OK else b""


def reached(places: Sequence[str], wanted: int, seconds: float) -> bool:
    """Whether so many of the places (HOST:PORT) take a connection, which is closed again at once."""
    found = 0
    for place in places:
        host, _, port = place.rpartition(":")
        deadline = time.monotonic() + seconds
        try:
            with socket.create_connection((host, int(port)), max(0.1, deadline - time.monotonic())):
                found += 1
        except OSError:
            continue
        if found >= wanted:
            return True
    return False
