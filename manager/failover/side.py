"""The gateway beside a manager among several: gives what it keeps while this manager leads, takes the leader's else.

It is a process of its own and the one writer of its keys, so all goes over its own socket. What it can't take now waits
in a file, and is offered again with each look.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from hopmap.client import Client, Endpoint, Response, Unreachable
from hopmap.errors import one_line
from hopmap.identity import write_whole
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.decode import WireError

FILE = "gateway.copy"
_SECONDS = 3.0  # a gateway that hangs must not make looks rarer
_LARGEST = 32 << 20
_log = logging.getLogger(__name__)


class Side:
    """`socket` is the gateway's own; without one nothing is given or taken."""

    def __init__(self, state_dir: Path, socket: str) -> None:
        self._to = Endpoint.parse(f"unix://{socket}") if socket else None
        self._file = state_dir / FILE
        self._handed = False
        self._missing: list[str] = []
        self._led = 0
        self._given: tuple[str, bytes] | None = None
        self._said = ""

    def lead(self, epoch: int, seconds: float) -> None:
        """Have it serve in this epoch, and make keys for so long; before that it takes what the last leader had."""
        if self._to is None:
            self._file.unlink(missing_ok=True)
        if self._hand_over() and self._tell(epoch, leads=True, seconds=seconds):
            self._led = epoch
            self._file.unlink(missing_ok=True)

    def follow(self, epoch: int, program: Callable[[str], bytes]) -> None:
        """Have it stand by, and take what was kept; `program` fetches a file of an agent by its SHA-256, one a time."""
        self._led, self._given = 0, None
        if not (self._hand_over() and self._tell(epoch, leads=False, seconds=0.0)):
            return
        if self._missing:
            sha256 = self._missing[0]
            content = program(sha256)
            whole = hashlib.sha256(content).hexdigest() == sha256
            if whole and self._call("POST", f"/agents?epoch={epoch}", content) is not None:
                self._missing.remove(sha256)

    def alone(self) -> bool:
        """Have it serve without regard to others, as there are none (any more); whether it has heard that."""
        return self._tell(0, leads=True, seconds=0.0)

    def keep(self, content: bytes) -> None:
        """Keep what the leader's gateway gave, until the gateway here has it. OSError when the disk refuses it."""
        write_whole(self._file, content)
        self._handed = False

    def content(self) -> bytes | None:
        """What the gateway here has to give; None while it does not lead, or has never answered."""
        if not self._led:
            return None
        tag, before = self._given or ("", None)
        found = self._call("GET", "/copy", headers={"If-None-Match": tag})
        if found is not None and found.status == HTTPStatus.OK:
            self._given = found.headers.get("etag", ""), found.body
            return found.body
        return before

    def program(self, sha256: str) -> bytes | None:
        """A file of an agent; None where there is none."""
        found = self._call("GET", f"/agents/{sha256}")
        return found.body if found is not None and found.status == HTTPStatus.OK else None

    def _hand_over(self) -> bool:
        """Whether nothing waits for it any more. What it refuses, because it has later keys, is forgotten."""
        if self._to is None:
            return False
        if self._handed or not self._file.exists():
            return True
        try:
            content = self._file.read_bytes()
        except OSError as error:
            self._say(one_line(error))
            return False
        found = self._call("POST", "/copy", content)
        if found is None:
            return False
        if found.status == HTTPStatus.OK:
            try:
                told = decode.mapping(decode.parse(found.body), "")
                self._missing = list(decode.sequence(told.get("missing"), "missing", 64, decode.sha256))
            except WireError:
                self._missing = []
        self._handed = True
        return True

    def _tell(self, epoch: int, *, leads: bool, seconds: float) -> bool:
        sent = decode.dump({"epoch": epoch, "leads": leads, "seconds": seconds})
        found = self._call("POST", "/place", sent)
        return found is not None and found.status == HTTPStatus.OK

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Response | None:
        """Its answer; None when it gives none, or can't work. What is wrong is logged once."""
        if self._to is None:
            return None
        try:
            with Client(self._to, timeout=_SECONDS) as client:
                found = client.request(method, path, body, headers, _LARGEST)
        except Unreachable as error:
            self._say(one_line(error))
            return None
        wrong = found.status >= HTTPStatus.BAD_REQUEST
        self._say(f"{method} {path.partition('?')[0]}: {found.body[:200].decode('utf-8', 'replace')}" if wrong else "")
        return None if found.status >= HTTPStatus.INTERNAL_SERVER_ERROR else found

    def _say(self, why: str) -> None:
        if why and why != self._said:
            event(_log, logging.WARNING, "gateway_not_told", why=why)
        self._said = why


class Lone:
    """Tells the gateway of a manager that is the only one that it is so, again and again until it has heard."""

    def __init__(self, side: Side, seconds: float = 20.0) -> None:
        self._side, self._seconds = side, seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Tell no more."""
        self._ending.set()
        self._thread.join(2 * _SECONDS)

    def _run(self) -> None:
        while not self._side.alone() and not self._ending.wait(self._seconds):
            pass
