"""What an input tells of an address: there and back, and what is none."""

from typing import Any

import pytest

from hopmap.wire.decode import WireError
from hopmap.wire.target import Why
from hopmap.wire.told import Told, decode_told, encode_told

AT = "2026-11-23T08:00:00.000Z"


@pytest.mark.parametrize(
    "told",
    [
        Told("62.1.2.3", target=False),
        Told("62.1.2.3", target=False, refused="opt-out"),
        Told("62.1.2.3", target=True, why=Why("hop", seen_by="a", toward="62.9.9.9", first_seen=AT), last_outcome=AT),
    ],
)
def test_there_and_back(told: Told) -> None:
    assert decode_told(encode_told(told)) == told


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "x"}, {"address": None}, {"address": "x"}, {"target": "yes"}, {"why": "hop"}, {"why": {}},
        {"refused": "<b>"}, {"last_outcome": "yesterday"}, {"last_outcome": 5},
    ],
)  # fmt: skip
def test_what_is_none(changed: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        decode_told(encode_told(Told("62.1.2.3", target=False)) | changed)
