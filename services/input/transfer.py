"""Export and import: the records of a state, a JSON line each, gzip where both sides like it."""

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Protocol

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from services.chassis.problem import Problem, bad_request
from services.input.core import replay
from services.input.core.frontier import Frontier, Record

MEDIA = "application/x-ndjson"
LONGEST_LINE = 16 << 20
_CHUNK = 64 << 10
_UNPACKED_TIMES = 40  # JSON lines of addresses pack about 8 times; more than this is no export
_GZIP = 16 + zlib.MAX_WBITS


class Body(Protocol):
    """What a request's body can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def export(records: Iterator[Record]) -> Iterator[bytes]:
    """The lines of an export, in pieces; the last line tells how many there are."""
    count, piece = 0, bytearray()
    for value in records:
        piece += decode.dump(value) + b"\n"
        count += 1
        if len(piece) >= _CHUNK:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + decode.dump({"record": "end", "records": count}) + b"\n")


def packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, gzipped."""
    packer = zlib.compressobj(5, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        if done := packer.compress(piece):
            yield done
    yield packer.flush()


def read_into(frontier: Frontier, body: Body, *, limit: int, gzipped: bool) -> int:
    """Read an export into an empty frontier; how many records. Problem 400 names the line, 413 a body out of bounds."""
    count, ended = 0, False
    for line in _lines(_unpacked(body, limit) if gzipped else _pieces(body, limit)):
        if ended:
            raise bad_request(f"line {count + 2} stands behind the end of the export")
        try:
            value = decode.mapping(decode.parse(line), "")
            ended = _take(frontier, value, count)
        except (WireError, ValueError) as error:
            raise bad_request(f"line {count + 1}: {error}") from error
        count += not ended
    if not ended:
        raise bad_request(f"the export ends after line {count}, before its last line: it was cut off")
    return count


def _take(frontier: Frontier, value: dict[str, Any], count: int) -> bool:
    """Take a line in; whether it is the end."""
    kind = decode.token(decode.required(value, "record", ""), "record")
    if (kind == "head") != (count == 0):
        raise WireError("record", "an export begins with its head, and has one")
    if kind != "end":
        replay.apply(frontier, value)
        return False
    told = decode.integer(decode.required(value, "records", ""), "records", 0, decode.MAX_SEQUENCE)
    if told != count:
        raise WireError("records", f"is {told}, but {count} came")
    return True


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []  # of a line; joined once, as a long one comes in many pieces
    length = 0
    for piece in pieces:
        begun, *more = piece.split(b"\n")
        waiting.append(begun)
        length += len(begun)
        if length > LONGEST_LINE:
            raise _too_large(f"a line is longer than {LONGEST_LINE} bytes")
        if more:
            *whole, rest = b"".join(waiting), *more
            yield from (line for line in whole if line.strip())
            waiting, length = [rest], len(rest)
    if (rest := b"".join(waiting)).strip():
        yield rest


def _pieces(body: Body, limit: int) -> Iterator[bytes]:
    total = 0
    while piece := body.read(_CHUNK):
        total += len(piece)
        if total > limit:
            raise _too_large(f"the body is larger than {limit} bytes: raise max_import_mb")
        yield piece


def _unpacked(body: Body, limit: int) -> Iterator[bytes]:
    unpacker, total = zlib.decompressobj(_GZIP), 0
    try:
        for piece in _pieces(body, limit):
            waiting = piece
            while waiting:
                done = unpacker.decompress(waiting, _CHUNK)
                waiting = unpacker.unconsumed_tail
                total += len(done)
                if total > limit * _UNPACKED_TIMES:
                    raise _too_large("the body unpacks to more than an export can be")
                yield done
            if unpacker.unused_data:
                raise bad_request("the gzip body has something behind its end")
    except zlib.error as error:
        raise bad_request("the body is not gzip, though its Content-Encoding says so") from error
    if not unpacker.eof:
        raise bad_request("the gzip body ends too early")


def _too_large(detail: str) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
