"""Takes requests to be left alone, looks for their proof, and puts what is proven on the list."""

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from typing import NamedTuple

from hopmap.wire.control import OptOut
from manager.fleet.control import Steering
from manager.fleet.core import optout as core
from manager.fleet.core.destination import Destination, Refused
from manager.fleet.core.optout import Denied, Receipt, Request, Tries
from manager.fleet.core.orders import Change, NotPossible
from manager.fleet.line import Line, Silent
from manager.vault import Vault

MOST_REMEMBERED = 10_000
AT_ONCE = 3  # each takes up to ten seconds of somebody who waits for the page
MOST_LOOK_UPS = 8
_KEY = "secret/receipt-key"
_SECONDS = 5.0


class Busy(Exception):
    """So many proofs are being looked for that another must wait some seconds."""


class Proofs(NamedTuple):
    """How proofs are looked for: the names of an address in the reverse DNS, and what it serves."""

    names: Callable[[str], tuple[str, ...]]
    line: Line


class OptingOut:
    """Requests and their proofs; only how often each was looked for is remembered, in memory."""

    def __init__(
        self, steering: Steering, vault: Vault, proofs: Proofs, now: Callable[[], float], random: Callable[[int], bytes]
    ) -> None:
        self._steering, self._proofs, self._now = steering, proofs, now
        self._tries: OrderedDict[str, Tries] = OrderedDict()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)
        if vault.get(_KEY) is None:
            vault.commit({_KEY: random(32)})
        self._key = vault.get(_KEY) or b""

    def ask(self, text: str) -> Request:
        """A new request, with the token that is to be shown. Denied."""
        return core.new_request(self._key, core.read_prefix(text), self._now())

    def read(self, prefix: str, token: str) -> Request:
        """A request that was made before. Denied."""
        return core.read_request(self._key, core.read_prefix(prefix), token, self._now())

    def check(self, prefix: str, token: str) -> str:
        """Look for the proof; the receipt when it is there. Denied says what was not found; Busy."""
        request = self.read(prefix, token)
        self._count(request)
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            how = self._proven(request)
        finally:
            self._places.release()
        if not how:
            raise Denied(
                "No proof was found: neither the name in the reverse DNS nor the file. Try again when it is there."
            )
        return self._listed(request, how)

    def read_receipt(self, text: str) -> Receipt:
        """What a receipt says. Denied."""
        return core.read_receipt(self._key, text)

    def _listed(self, request: Request, how: str) -> str:
        now = self._now()
        entry: OptOut = core.opt_out(request, datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"), how)
        try:
            orders = self._steering.change("opt-out", Change(opt_out=(entry,)))
        except NotPossible as error:
            raise Denied("The list is full: write to the contact.") from error
        return core.receipt(self._key, Receipt(entry.prefix, int(now), orders.version))

    def _count(self, request: Request) -> None:
        with self._lock:
            self._tries[request.token] = core.may_check(self._tries.get(request.token, Tries()), self._now())
            self._tries.move_to_end(request.token)
            while len(self._tries) > MOST_REMEMBERED:
                self._tries.popitem(last=False)

    def _proven(self, request: Request) -> str:
        address = core.address_of(request.prefix)
        try:
            if core.proven_by_name(request, self._proofs.names(address)):
                return "reverse DNS"
        except OSError:
            pass  # no name at all: there may be a file
        try:
            answer = self._proofs.line.request(
                Destination(address, 80, tls=False), "GET", core.FILE_PATH, seconds=_SECONDS, limit=core.LONGEST_FILE
            )
        except (Silent, Refused):
            return ""
        return "file" if core.proven_by_file(request, answer.status, answer.body) else ""


class Reverse:
    """Names of addresses, by the resolver of this machine; whoever asks waits 5 s at most."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MOST_LOOK_UPS)

    def names(self, address: str) -> tuple[str, ...]:
        """Every name of it. OSError when there is none, no answer in time, or too many look-ups are under way."""
        if not self._places.acquire(blocking=False):
            raise OSError("too many look-ups are under way")
        found: SimpleQueue[tuple[str, ...]] = SimpleQueue()
        # the resolver can't be hurried: a thread that nobody waits for, also not at the end of the process
        threading.Thread(target=self._look_up, args=(address, found), name="reverse-dns", daemon=True).start()
        try:
            return found.get(timeout=_SECONDS)
        except Empty:
            raise TimeoutError from None

    def _look_up(self, address: str, found: "SimpleQueue[tuple[str, ...]]") -> None:
        try:
            name, others, _ = socket.gethostbyaddr(address)
            found.put((name, *others))
        except OSError:
            found.put(())
        finally:
            self._places.release()
