"""Takes requests to be left alone, looks for their proof, and puts what is proven on the list."""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from hopmap.wire.control import OptOut
from manager.fleet.control import Steering
from manager.fleet.core import optout as core
from manager.fleet.core.destination import Destination, Refused
from manager.fleet.core.optout import Denied, Receipt, Request
from manager.fleet.core.orders import Change, NotPossible
from manager.fleet.line import Line, Silent
from manager.vault import Vault

MOST_WAITING = 10_000
_KEY = "secret/receipt-key"
_SECONDS = 5.0


class Proofs(NamedTuple):
    """How proofs are looked for: the names of an address in the reverse DNS, and what it serves."""

    names: Callable[[str], tuple[str, ...]]
    line: Line


class OptingOut:
    """All requests that wait for their proof. `token` makes fresh random lower-case letters and digits."""

    def __init__(
        self, steering: Steering, vault: Vault, proofs: Proofs, now: Callable[[], float], random: Callable[[int], bytes]
    ) -> None:
        self._steering, self._proofs, self._now, self._random = steering, proofs, now, random
        self._waiting: OrderedDict[str, Request] = OrderedDict()
        self._lock = threading.Lock()
        if vault.get(_KEY) is None:
            vault.commit({_KEY: random(32)})
        self._key = vault.get(_KEY) or b""

    def ask(self, text: str) -> Request:
        """A new request, with the token that is to be shown; the oldest make room. Denied."""
        request = Request(core.read_prefix(text), self._random(16).hex(), self._now())
        with self._lock:
            self._waiting[request.token] = request
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
        return request

    def check(self, token: str) -> str:
        """Look for the proof; the receipt when it is there. Denied says what was not found."""
        request = self._taken(token)
        how = self._proven(request)
        if not how:
            raise Denied(
                "No proof was found: neither the name in the reverse DNS nor the file. Try again when it is there."
            )
        now = self._now()
        entry = core.opt_out(request, datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"), how)
        return self._listed(entry, now, token)

    def read_receipt(self, text: str) -> Receipt:
        """What a receipt says. Denied."""
        return core.read_receipt(self._key, text)

    def _listed(self, entry: OptOut, now: float, token: str) -> str:
        try:
            orders = self._steering.change("opt-out", Change(opt_out=(entry,)))
        except NotPossible as error:
            raise Denied("The list is full: write to the contact.") from error
        with self._lock:
            self._waiting.pop(token, None)
        return core.receipt(self._key, Receipt(entry.prefix, int(now), orders.version))

    def _taken(self, token: str) -> Request:
        with self._lock:
            known = next(
                (one for one in self._waiting if hmac.compare_digest(one.encode(), token.encode("utf-8", "replace"))),
                None,
            )
            if known is None:
                raise Denied("There is no such request, or it has been granted: make a new one.")
            request = self._waiting[known]
            core.may_check(request, self._now())
            self._waiting[known] = replace(request, checks=request.checks + 1, checked=self._now())
        return request

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
