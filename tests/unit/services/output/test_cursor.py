"""Where a cursor leads, and what it says of results that are gone."""

import pytest

from services.output.core.cursor import Place, encode, place

STORE = "0a1b2c3d"


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("", Place(10, 0)),
        (f"{STORE}.0", Place(10, 10)),
        (f"{STORE}.9", Place(10, 1)),
        (f"{STORE}.10", Place(10, 0)),
        (f"{STORE}.15", Place(15, 0)),
        (f"{STORE}.20", Place(20, 0)),
        (f"{STORE}.21", Place(10, None)),
        ("ffffffff.15", Place(10, None)),
    ],
)
def test_where_a_cursor_leads(cursor: str, expected: Place) -> None:
    assert place(cursor, STORE, oldest=11, newest=20) == expected


def test_a_cursor_of_an_empty_store_leads_to_its_beginning() -> None:
    assert place(encode(STORE, 0), STORE, oldest=1, newest=0) == Place(0, 0)


@pytest.mark.parametrize("cursor", ["5", "x.5", f"{STORE}.-1", f"{STORE}.05", f"{STORE}.5 ", f"{STORE.upper()}.5", "'"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        place(cursor, STORE, oldest=1, newest=9)
