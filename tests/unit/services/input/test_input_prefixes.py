"""Prefixes as single lines: what they bring, and which of them covers what."""

from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from services.input.core import prefixes
from services.input.core.prefixes import Networks, Prefixes, usable


def prefix(cidr: str) -> tuple[int, int]:
    return addresses.prefix(cidr)


def hosts(cidr: str) -> list[str]:
    first, size = usable(*prefix(cidr))
    return [addresses.text(first + place) for place in range(size)]


def test_no_network_and_no_broadcast_address() -> None:
    assert hosts("62.0.0.0/30") == ["62.0.0.1", "62.0.0.2"]
    assert hosts("62.0.0.0/31") == ["62.0.0.0", "62.0.0.1"]
    assert hosts("62.0.0.7/32") == ["62.0.0.7"]
    assert usable(*prefix("62.0.0.0/8")) == (prefix("62.0.0.1")[0], 2**24 - 2)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12), st.integers(0, 255))
def test_covering_finds_what_a_plain_search_finds(given_prefixes: list[tuple[int, int]], last: int) -> None:
    networks, expected = Networks(), {}
    for number, (host, length) in enumerate(given_prefixes):
        network = prefixes.mask(host, length)
        networks.put(network, length, number)
        expected[network, length] = number
    found = [
        (network, length, number)
        for (network, length), number in expected.items()
        if prefixes.mask(last, length) == network
    ]
    assert list(networks.covering(last)) == sorted(found, key=lambda item: item[1])
    assert networks.covers(last) == bool(found)
    assert len(networks) == len(expected)


def test_a_dropped_network_covers_no_more() -> None:
    networks = Networks()
    networks.put(*prefix("62.0.0.0/24"), 1)
    networks.drop(*prefix("63.0.0.0/16"))
    networks.drop(*prefix("62.0.0.0/24"))
    assert not networks.covers(prefix("62.0.0.1")[0])
    assert networks.get(*prefix("62.0.0.0/24")) is None


def test_a_slash_8_costs_one_line() -> None:
    table = Prefixes()
    assert table.add(*prefix("62.0.0.0/8"), 0, 0, lazy=True)
    assert len(table) == 1
    assert list(table.sources()) == [(prefix("62.0.0.1")[0], 2**24 - 2)]


def test_what_lies_in_a_lazy_prefix_is_not_taken_again() -> None:
    table = Prefixes()
    assert table.add(*prefix("62.0.0.0/16"), 0, 0, lazy=True)
    assert not table.add(*prefix("62.0.0.0/16"), 0, 0, lazy=True)
    assert not table.add(*prefix("62.0.9.0/24"), 0, 0, lazy=True)
    assert not table.add(*prefix("62.0.9.0/24"), 0, 0, lazy=False)


def test_a_wider_prefix_takes_the_place_of_those_in_it() -> None:
    table = Prefixes()
    table.add(*prefix("62.0.9.0/24"), 0, 0, lazy=True)
    table.add(*prefix("62.0.0.0/16"), 0, 0, lazy=True)
    assert not table.is_inside_another(0, among=1)
    assert table.is_inside_another(0, among=2)
    assert not table.is_inside_another(1, among=2)
    assert list(table.sources()) == [(prefix("62.0.0.1")[0], 2**16 - 2)]


def test_serves_only_hosts_of_lazy_prefixes() -> None:
    table = Prefixes()
    table.add(*prefix("62.0.0.0/24"), 0, 0, lazy=True)
    table.add(*prefix("63.0.0.0/24"), 0, 0, lazy=False)
    told = {text: table.serves(prefix(text)[0]) for text in ("62.0.0.0", "62.0.0.1", "62.0.0.255", "63.0.0.1")}
    assert told == {"62.0.0.0": False, "62.0.0.1": True, "62.0.0.255": False, "63.0.0.1": False}
    assert [table.is_lazy(place) for place in range(2)] == [True, False]


def test_widest_looks_at_both_kinds() -> None:
    table = Prefixes()
    table.add(*prefix("62.0.0.0/16"), 0, 0, lazy=False)
    table.add(*prefix("62.0.1.0/24"), 0, 0, lazy=True)
    assert table.widest(prefix("62.0.1.1")[0]) == (*prefix("62.0.0.0/16"), 0)
    assert table.widest(prefix("64.0.0.1")[0]) is None


def test_the_number_of_prefixes_is_bounded() -> None:
    table = Prefixes()
    for place in range(3):
        table.add(place << 8, 24, 0, 0, lazy=True)
    saved, prefixes.MOST_PREFIXES = prefixes.MOST_PREFIXES, 3
    try:
        assert not table.add(*prefix("62.0.0.0/24"), 0, 0, lazy=True)
    finally:
        prefixes.MOST_PREFIXES = saved
