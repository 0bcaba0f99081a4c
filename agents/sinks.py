"""Where results go: an output service over HTTP, or a file of lines."""

import gzip
import http
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from agents.sources import problem, refusal
from hopmap.client import Client, Response, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import ResultId, parse_id

_MAX_ANSWER = 4 << 20
_LEVEL = 9  # a twentieth less on a metered line, for a millisecond a batch
_TAIL = 1 << 20  # more than the longest line
_CONTENT = frozenset({400, 413, 415, 422})  # statuses that speak of what was sent


class Taken(NamedTuple):
    """What became of the lines of a batch. `refused` has (place in the batch, why) of those never to be sent again."""

    new: int
    duplicate: int
    refused: tuple[tuple[int, str], ...] = ()


class SinkDown(Exception):
    """It could not take them now, and they are not at fault: keep them, come back later, or go elsewhere."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class BatchRefused(Exception):
    """It will not take this batch as it is: too large, or something in it is wrong."""


class Sink(Protocol):
    """Takes results for good."""

    def deliver(self, lines: Sequence[bytes]) -> Taken:
        """Hand over lines; SinkDown or BatchRefused when they were not taken. Not both: nothing was stored then."""


class HttpSink:
    """An output service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def deliver(self, lines: Sequence[bytes]) -> Taken:
        """`POST /results` as gzipped NDJSON."""
        body = gzip.compress(b"\n".join(lines) + b"\n", _LEVEL, mtime=0)
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        try:
            answer = self._client.request("POST", body=body, headers=headers, limit=_MAX_ANSWER)
        except Unreachable as error:
            raise SinkDown(one_line(error)) from error
        if answer.status == http.HTTPStatus.OK:
            return self._taken(answer, len(lines))
        said = refusal(self._client.endpoint.url, answer)
        if answer.status in _CONTENT and problem(answer) is not None:
            raise BatchRefused(said)
        raise SinkDown(said, answer.retry_after)

    def _taken(self, answer: Response, count: int) -> Taken:
        try:
            taken = _decode_taken(decode.parse(answer.body), count)
        except WireError as error:
            raise SinkDown(f"{self._client.endpoint.url} did not confirm the batch: {error}") from error
        if taken.new + taken.duplicate + len(taken.refused) != count:
            raise SinkDown(f"{self._client.endpoint.url} confirmed another number of results than the {count} sent")
        return taken


def _decode_taken(value: object, count: int) -> Taken:
    source = decode.mapping(value, "")
    return Taken(
        new=decode.integer(decode.required(source, "accepted", ""), "accepted", 0, count),
        duplicate=decode.integer(source.get("duplicate", 0), "duplicate", 0, count),
        refused=decode.sequence(
            source.get("rejected", []), "rejected", count, lambda item, where: _rejected(item, where, count)
        ),
    )


def _rejected(value: object, where: str, count: int) -> tuple[int, str]:
    source: dict[str, Any] = decode.mapping(value, where)
    line = decode.integer(decode.required(source, "line", where), f"{where}.line", 1, count)
    return line - 1, f"{str(source.get('error', ''))[:64]}: {str(source.get('detail', ''))[:400]}"


class FileSink:
    """A file of lines (NDJSON), appended to durably. UserError when it can't be opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._newest = self._recover()
        except OSError as error:
            raise UserError(f"cannot write output_file {path}: {error.strerror}") from error

    def deliver(self, lines: Sequence[bytes]) -> Taken:
        """Append, and return when it is on the disk; lines that a run before this one had appended are passed over."""
        new = [line for line in lines if not self._has(line)]
        size = os.fstat(self._file).st_size
        try:
            content = b"".join(line + b"\n" for line in new)
            while content:
                content = content[os.write(self._file, content) :]
            os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, size)
            raise SinkDown(f"cannot write {self._path}: {error.strerror}") from error
        if new:
            self._newest = _identity(new[-1])
        return Taken(len(new), len(lines) - len(new))

    def _recover(self) -> ResultId | None:
        """Cut off a line that was not finished; the id of the last that was."""
        size = os.fstat(self._file).st_size
        start = max(0, size - _TAIL)
        tail = os.pread(self._file, size - start, start)
        whole = tail.rfind(b"\n") + 1
        if whole != len(tail):
            os.ftruncate(self._file, start + whole)
        return _identity(tail[:whole].rstrip(b"\n").rpartition(b"\n")[2])

    def _has(self, line: bytes) -> bool:
        if self._newest is None:
            return False
        identity = _identity(line)
        return identity is not None and identity[:2] == self._newest[:2] and identity.sequence <= self._newest.sequence


def _identity(line: bytes) -> ResultId | None:
    try:
        return parse_id(decode.mapping(decode.parse(line), "").get("id"))
    except WireError:
        return None
