"""What readers get: pages of results behind a cursor, the newest ones, a copy of a file."""

import secrets
import shutil
import threading
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import decode_result
from services.chassis.problem import Problem, bad_request
from services.chassis.query import whole
from services.output.core import cursor
from services.output.core.hops import concerns
from services.output.moments import utc
from services.output.store.results import NAME, UNFINISHED, Filter, copy, listing, newest, page
from services.output.writer import Writer

MOST_RECENT = 1_000
MOST_RESULTS = 10_000
_KINDS = ("ping", "trace")
_BUSY_SECONDS = "10"


class Reading:
    """Answers of the query side."""

    def __init__(self, folder: Path, writer: Writer, reserve_bytes: int) -> None:
        self._folder = folder
        self._writer = writer
        self._reserve_bytes = reserve_bytes
        self._dumping = threading.Lock()

    def results(self, query: Mapping[str, str], now: float) -> bytes:
        """NDJSON lines {"cursor", "result"} behind ?after; first {"cursor", "missed"} where rotation was faster."""
        limit = whole(query.get("limit"), "limit", 1, MOST_RESULTS, 1_000)
        store, files = self._writer.store_name, listing(self._folder)
        try:
            place = cursor.place(query.get("after", ""), store, files[0].base, self._writer.last)
        except ValueError as error:
            raise bad_request(str(error)) from error
        if reader := query.get("reader"):
            name = decode.name(reader, "reader")
            self._writer.call(lambda state: state.register(name, place.seq, utc(now)))
        lines = []
        if place.missed != 0:
            lines.append(decode.dump({"cursor": cursor.encode(store, place.seq), "missed": place.missed}))
        lines += [
            b'{"cursor":"%b.%d","result":%b}' % (store.encode(), found.seq, found.document)
            for found in page(self._folder, place.seq, limit)
        ]
        return b"".join(line + b"\n" for line in lines)

    def recent(self, query: Mapping[str, str]) -> bytes:
        """{"results": [...]}, newest first, filtered by ip (target or hop), agent, since (when received) and kind."""
        limit = whole(query.get("limit"), "limit", 1, MOST_RECENT, 100)
        wanted = _filter(query)
        with closing(newest(self._folder, wanted)) as found:
            documents = (stored.document for stored in found if _names(stored.document, wanted.address))
            return b'{"results":[' + b",".join(islice(documents, limit)) + b"]}"

    def dump(self, query: Mapping[str, str]) -> tuple[str, BinaryIO]:
        """Name and open file of a consistent copy of a file of results; it is gone once it is closed."""
        files = {file.path.name: file for file in listing(self._folder)}
        name = query.get("file") or max(files)
        if not NAME.fullmatch(name):
            raise bad_request("file must be a name such as results-0000000000000001.sqlite: /stats lists them")
        if name not in files:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", f"there is no {name}: /stats lists what is kept")
        if not self._dumping.acquire(blocking=False):
            detail = "another dump is being made: try again later"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, {"Retry-After": _BUSY_SECONDS})
        try:
            return name, self._copied(files[name].path, files[name].bytes)
        finally:
            self._dumping.release()

    def _copied(self, path: Path, size: int) -> BinaryIO:
        if shutil.disk_usage(self._folder).free < size + self._reserve_bytes:
            raise Problem(
                HTTPStatus.INSUFFICIENT_STORAGE,
                "insufficient_storage",
                "a copy would not fit on the disk",
                {"Retry-After": "60"},
            )
        temporary = self._folder / f"{UNFINISHED}dump-{secrets.token_hex(4)}"
        try:
            copy(path, temporary)
            return temporary.open("rb")
        except FileNotFoundError:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", f"{path.name} has just been deleted") from None
        finally:
            temporary.unlink(missing_ok=True)


def _filter(query: Mapping[str, str]) -> Filter:
    ip, agent, since, kind = (query.get(name) for name in ("ip", "agent", "since", "kind"))
    if kind is not None and kind not in _KINDS:
        raise WireError("kind", f"must be one of {', '.join(_KINDS)}")
    return Filter(
        agent=None if agent is None else decode.name(agent, "agent"),
        since=None if since is None else decode.timestamp(since, "since"),
        kind=kind,
        address=None if ip is None else addresses.text(addresses.number(decode.address(ip, "ip"))),
    )


def _names(document: bytes, address: str | None) -> bool:
    """Whether a result has the address as its target or a hop, not only in a field that we don't know."""
    return address is None or concerns(decode_result(decode.parse(document)), address)
