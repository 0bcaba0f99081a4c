"""What nodes that can't be reached have told the gateway of themselves, fetched from its admin socket."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hopmap.client import Endpoint
from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.service_info import ServiceInfo, decode_service_info
from manager.fleet.core import reading as readings
from manager.fleet.core.reading import Reading
from manager.fleet.line import Line, Silent

SECONDS = 20.0
_LARGEST = 64 << 20
_log = logging.getLogger(__name__)


class Report(NamedTuple):
    """A node by the name of its key, how old its word is in seconds, who it says it is, how it does."""

    node: str
    age: float
    info: ServiceInfo
    reading: Reading


class Reports:
    """Fetches every `seconds`; `take` gets each report once."""

    def __init__(self, line: Line, socket: str, take: Callable[[Report], None], seconds: float = SECONDS) -> None:
        self._line, self._take, self._seconds = line, take, seconds
        self._gateway = Endpoint.parse(f"unix://{socket}")
        self._heard: dict[str, float] = {}
        self._refused: dict[str, str] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; waits for a fetch that goes on."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(SECONDS)

    def fetch(self) -> None:
        """One fetch: reports that are new since the last. Silent, WireError.

        One that can't be taken (the registry is full, the disk too) is tried again, and keeps no other from being so.
        """
        answer = self._line.request(self._gateway, "GET", "/nodes", limit=_LARGEST)
        listed = decode.mapping(decode.parse(answer.body), "").get("nodes")
        fresh, refused = dict[str, float](), dict[str, str]()
        for report in _reports(listed if isinstance(listed, list) else []):
            said, before = answer.answered - report.age, self._heard.get(report.node, float("-inf"))
            if said <= before + 1.0:
                fresh[report.node] = before
            elif why := self._refusal(report):
                refused[report.node] = why
            else:
                fresh[report.node] = said
        self._heard, self._refused = fresh, refused

    def _refusal(self, report: Report) -> str:
        """Why a report can't be taken, which is logged once; empty when it is taken."""
        try:
            self._take(report)
        except (ValueError, OSError) as error:
            why = one_line(error)
            if self._refused.get(report.node) != why:
                event(_log, logging.WARNING, "report_not_taken", node=report.node, why=why)
            return why
        return ""

    def _run(self) -> None:
        said = ""
        while not self._ending.is_set():
            try:
                self.fetch()
                said = ""
            except (Silent, WireError, ValueError, OSError) as error:
                if one_line(error) != said:
                    event(_log, logging.WARNING, "no_reports", why=one_line(error))
                said = one_line(error)
            self._ending.wait(self._seconds)


def _reports(listed: list[Any]) -> Iterator[Report]:
    for item in listed:
        try:
            source = decode.mapping(item, "")
            info = decode_service_info(source.get("service"))
            yield Report(
                decode.name(source.get("node"), "node"),
                decode.real(source.get("seconds_ago"), "seconds_ago", 0.0, 1e9),
                info,
                readings.health_of(info.service_type, source.get("health")),
            )
        except WireError as error:
            event(_log, logging.WARNING, "odd_report", why=str(error))
