"""Reading a request's body with a bound on what comes in and on what it unpacks to."""

import zlib
from http import HTTPStatus
from typing import Any

import bottle

from hopmap.wire import decode
from services.chassis.problem import Problem, bad_request

_GZIP = 16 + zlib.MAX_WBITS


def read(limit: int, unpacked_limit: int) -> bytes:
    """The body of the current request, gunzipped where it says so; 411, 413, 415 or 400 for what can't be taken."""
    request = bottle.request
    length = request.content_length
    if length < 0 and not request.chunked:
        return b""
    if length > limit:
        raise _too_large(limit)
    body: bytes = request.environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise _too_large(limit)
    encoding = request.get_header("Content-Encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Content-Encoding must be gzip or identity"
        )
    return gunzip(body, unpacked_limit)


def gunzip(packed: bytes, limit: int) -> bytes:
    """One gzip member of at most `limit` bytes unpacked; never more than that is held."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(packed, limit)
        if unpacker.unconsumed_tail or not (unpacker.eof or len(unpacked) < limit):
            raise _too_large(limit)
    except zlib.error as error:
        raise bad_request("the body is not gzip, though its Content-Encoding says so") from error
    if not unpacker.eof:
        raise bad_request("the gzip body ends too early")
    if unpacker.unused_data:
        raise bad_request("the gzip body has something behind its end")
    return unpacked


def read_json(limit: int, unpacked_limit: int) -> Any:
    """The body as a JSON value."""
    return decode.parse(read(limit, unpacked_limit))


def _too_large(limit: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"the body is larger than {limit} bytes")
