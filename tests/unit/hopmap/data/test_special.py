"""The special-purpose table: what must never be probed, and the traps of the standard library."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.data.special import REGISTRY, TOKENS, block_of, is_all_special, special_use, special_use_of_prefix

ADDRESSES = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sampled_from(REGISTRY).flatmap(
        lambda block: st.integers(-2, 2).map(lambda step: (edges(block.prefix)[step > 0] + step) % 2**32)
    ),
)


def edges(prefix: str) -> tuple[int, int]:
    network, length = addresses.prefix(prefix)
    return network, network | 0xFFFFFFFF >> length


@pytest.mark.parametrize(
    ("address", "token"),
    [
        ("0.0.0.0", "this-network"),
        ("0.1.2.3", "this-network"),
        ("10.255.255.255", "private"),
        ("100.64.0.0", "shared"),
        ("100.127.255.255", "shared"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.31.0.1", "private"),
        ("192.0.0.1", "protocol-assignment"),
        ("192.0.0.170", "protocol-assignment"),
        ("192.0.2.1", "documentation"),
        ("192.31.196.1", "as112"),
        ("192.52.193.1", "amt"),
        ("192.88.99.1", "6to4-relay"),
        ("192.168.1.1", "private"),
        ("192.175.48.1", "as112"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.0", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.0", "reserved"),
        ("255.255.255.255", "broadcast"),
        *[(address, None) for address in ("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.128.0.0", "192.0.1.0")],
        *[(address, None) for address in ("172.15.255.255", "172.32.0.0", "198.20.0.0", "223.255.255.255")],
    ],
)
def test_tokens_at_the_edges(address: str, token: str | None) -> None:
    assert special_use(addresses.number(address)) == token


@given(ADDRESSES)
def test_agrees_with_a_walk_over_the_registry(address: int) -> None:
    holding = [block for block in REGISTRY if edges(block.prefix)[0] <= address <= edges(block.prefix)[1]]
    narrowest = max(holding, key=lambda block: addresses.prefix(block.prefix)[1], default=None)
    assert block_of(address) == narrowest
    assert special_use(address) == (narrowest.token if narrowest else None)


@given(ADDRESSES)
def test_all_that_the_standard_library_calls_special_is_special_here(address: int) -> None:
    if not ipaddress.ip_address(address).is_global:
        assert special_use(address) is not None


@given(ADDRESSES, st.integers(0, 32))
def test_prefixes_agree_with_the_registry(address: int, length: int) -> None:
    network = address >> (32 - length) << (32 - length)
    mine = ipaddress.ip_network((network, length))
    rows = [ipaddress.ip_network(block.prefix) for block in REGISTRY]
    assert (special_use_of_prefix(network, length) is not None) == any(mine.overlaps(row) for row in rows)
    merged = list(ipaddress.collapse_addresses(rows))
    covered = sum((mine if mine.subnet_of(row) else row).num_addresses for row in merged if mine.overlaps(row))
    assert is_all_special(network, length) == (covered == mine.num_addresses)


def test_the_first_block_of_a_wide_prefix_is_named() -> None:
    assert special_use_of_prefix(*addresses.prefix("0.0.0.0/0")) == "this-network"
    assert special_use_of_prefix(*addresses.prefix("192.0.0.0/16")) == "protocol-assignment"
    assert special_use_of_prefix(*addresses.prefix("8.0.0.0/8")) is None


def test_tokens_are_words_of_the_wire() -> None:
    assert {"private", "shared", "link-local", "loopback", "multicast", "documentation"} < TOKENS
    assert all(token.replace("-", "").isalnum() and token.islower() and len(token) <= 32 for token in TOKENS)
