"""Which answers are gzipped."""

import gzip

import bottle
import pytest

from services.chassis.packing import LEAST, packed

LONG = b'{"targets":[' + b'{"address":"8.8.8.8"},' * 50 + b"]}"


def test_a_long_answer_is_packed_for_who_likes_it() -> None:
    found = packed(bottle.HTTPResponse(LONG, 200, {"Content-Type": "application/json"}), "identity, gzip;q=0.5")
    assert gzip.decompress(found.body) == LONG
    assert len(found.body) < len(LONG) / 5
    assert found.get_header("Content-Encoding") == "gzip"
    assert found.get_header("Vary") == "Accept-Encoding"


@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0"])
def test_others_get_it_as_it_is(accepted: str) -> None:
    assert packed(bottle.HTTPResponse(LONG), accepted).body == LONG


def test_short_packed_and_streamed_answers_stay_as_they_are() -> None:
    assert packed(bottle.HTTPResponse(b"x" * (LEAST - 1)), "gzip").body == b"x" * (LEAST - 1)
    ready = bottle.HTTPResponse(LONG, 200, {"Content-Encoding": "gzip"})
    assert packed(ready, "gzip").body == LONG
    pieces = iter([LONG])
    assert packed(bottle.HTTPResponse(pieces), "gzip").body is pieces
