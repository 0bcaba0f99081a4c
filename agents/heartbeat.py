"""Tells a gateway how this agent is: behind NAT nobody can come and ask."""

import gzip
import http
import logging
from collections.abc import Callable

from agents.health import Vitals
from agents.sources import refusal
from hopmap.client import Client, Unreachable
from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode

_log = logging.getLogger(__name__)
_MAX_ANSWER = 64 << 10


class Heartbeat:
    """One thread's work. One that does not get through is not repeated: the next tells more."""

    def __init__(
        self,
        client: Client,
        vitals: Vitals,
        *,
        rng: Callable[[], float],
        seconds: float,
        may_talk: Callable[[], bool],
    ) -> None:
        self._client = client
        self._vitals = vitals
        self._rng = rng
        self._seconds = seconds
        self._may_talk = may_talk

    def step(self) -> float:
        """Tell once; how long to wait before the next time, with jitter, so that a fleet does not tell in step."""
        if self._may_talk():
            self._tell()
        return self._seconds * (0.9 + 0.2 * self._rng())

    def _tell(self) -> None:
        told = {"schema": 1, "service": self._vitals.service_info(), "health": self._vitals.health()}
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        try:
            answer = self._client.request(
                "POST", body=gzip.compress(decode.dump(told), mtime=0), headers=headers, limit=_MAX_ANSWER
            )
        except Unreachable as error:
            event(_log, logging.WARNING, "no_heartbeat", why=one_line(error))
            return
        if answer.status != http.HTTPStatus.OK:
            event(_log, logging.WARNING, "no_heartbeat", why=refusal(self._client.endpoint.url, answer))
