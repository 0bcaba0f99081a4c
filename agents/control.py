"""Polls the control document of the input services and has its orders obeyed at once."""

import http
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime

from agents.core.failover import Failover
from agents.core.offset import Offset
from agents.core.orders import Orders
from agents.counts import Counts
from agents.sources import refusal
from hopmap.client import Client, Response, Unreachable
from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.control import decode_control
from hopmap.wire.decode import WireError

_log = logging.getLogger(__name__)
POLL_SECONDS = 15.0
_MAX_DOCUMENT = 16 << 20  # the whole list of 100,000 opt-outs with reasons


class ControlPoll:
    """One thread's work. `pause` tells the least time between two polls now, in seconds."""

    def __init__(
        self,
        clients: Sequence[Client],
        orders: Orders,
        *,
        counts: Counts,
        steady: Callable[[], float],
        rng: Callable[[], float],
        seconds: float = POLL_SECONDS,
        pause: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._clients = clients
        self._orders = orders
        self._counts = counts
        self._steady = steady
        self._rng = rng
        self._seconds = seconds
        self._pause = pause
        self._polled = float("-inf")
        self._failover = Failover(len(clients), rng, longest=seconds)
        self._etags = [""] * len(clients)
        self._asked_for_all = False
        self.offset = Offset()

    @property
    def failing(self) -> bool:
        """Whether no place answered lately."""
        return self._failover.all_failing

    def step(self) -> float:
        """Poll one place; how long to wait before the next poll. Never longer than usual: a stop must get through."""
        now = self._steady()
        if now - self._polled < self._pause():
            return self._seconds
        place = self._failover.choose(now)
        if place is None:
            return min(self._seconds, self._failover.wait(now))
        self._polled = now
        try:
            whole = self._poll(place)
        except (Unreachable, WireError, _NoDocument) as error:
            self._counts.control_failures += 1
            self._etags[place] = ""
            self._failover.failed(place, self._steady())
            event(_log, logging.WARNING, "no_control", why=one_line(error))
            return min(self._seconds, self._failover.wait(self._steady()))
        self._failover.succeeded(place)
        self._orders.heard(self._steady())
        again = not whole and not self._asked_for_all
        self._asked_for_all = again
        return 0.0 if again else self._seconds * (0.9 + 0.1 * self._rng())

    def _poll(self, place: int) -> bool:
        """One exchange; False when all opt-outs are to be asked for next."""
        client, known = self._clients[place], self._orders.opt_outs_version
        path = f"{client.endpoint.path.rstrip('/')}/control?opt_outs_since={known}"
        headers = {"If-None-Match": self._etags[place]} if self._etags[place] else {}
        asked = self._steady()
        answer = client.request("GET", path, headers=headers, limit=_MAX_DOCUMENT)
        self._note_date(answer, asked)
        if answer.status == http.HTTPStatus.NOT_MODIFIED:
            return True
        if answer.status != http.HTTPStatus.OK:
            raise _NoDocument(refusal(client.endpoint.url, answer))
        control = decode_control(decode.parse(answer.body))
        whole = self._orders.apply(control, place)
        self._etags[place] = answer.headers.get("etag", "") if whole else ""
        event(_log, logging.INFO, "control", version=control.version, halted=self._orders.halted or "no")
        return whole

    def _note_date(self, answer: Response, asked: float) -> None:
        with suppress(KeyError, ValueError):  # no Date, or none that can be read
            self.offset.heard(asked, self._steady(), parsedate_to_datetime(answer.headers["date"]).timestamp())


class _NoDocument(Exception):
    """An answer, but no control document."""
