"""The seed chooser: even, exact, repeatable, and never an address that must not be probed."""

from collections import Counter
from functools import cache
from itertools import islice
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.data.special import special_use
from services.input.core.seeding import Seed, choose, mix


class Labelled(NamedTuple):
    network: int
    length: int
    provider: str
    region: str


def labelled(cidr: str, provider: str = "one", region: str = "") -> Labelled:
    return Labelled(*addresses.prefix(cidr), provider, region)


def holds(prefix: Labelled, address: int) -> bool:
    return (address ^ prefix.network) >> (32 - prefix.length) == 0


@cache
def usable(prefix: Labelled) -> set[int]:
    """By the words of the contract, address by address: the oracle for small prefixes."""
    last = prefix.network + (1 << (32 - prefix.length)) - 1
    edges = {prefix.network, last} if prefix.length < 31 else set()
    return {
        address
        for address in range(prefix.network, last + 1)
        if address not in edges and address & 255 not in {0, 255} and not special_use(address)
    }


@st.composite
def prefix_lists(draw: st.DrawFn) -> list[Labelled]:
    def one() -> Labelled:
        length = draw(st.integers(22, 32))
        near = draw(st.sampled_from([0x08000000, 0x08000200, 0xC0000000, 0xC0000200, 0xDFFFFE00, 0x0A000000]))
        network = (near + draw(st.integers(0, 1023))) >> (32 - length) << (32 - length)
        return Labelled(network, length, draw(st.sampled_from("ab")), draw(st.sampled_from(["", "x"])))

    return [one() for _ in range(draw(st.integers(0, 8)))]


@settings(deadline=None)  # the oracle, not the chooser, is slow
@given(prefix_lists(), st.integers(0, 400), st.integers(0, 2**64 - 1))
def test_exactly_the_budget_of_distinct_usable_addresses(prefixes: list[Labelled], budget: int, seed: int) -> None:
    seeds = choose(prefixes, budget, seed)
    # An edge of one prefix may be usable in another that holds it; each seed must be usable in one of its own labels.
    all_usable = set().union(*(usable(prefix) for prefix in prefixes))
    assert len(seeds) == min(budget, len(all_usable))
    assert len({item.address for item in seeds}) == len(seeds)
    for item in seeds:
        assert any(
            item.address in usable(prefix) and (prefix.provider, prefix.region) == item[1:] for prefix in prefixes
        )


@given(prefix_lists(), st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_no_second_address_of_a_24_while_another_24_is_unused(prefixes: list[Labelled], budget: int, seed: int) -> None:
    blocks = [item.address >> 8 for item in choose(prefixes, budget, seed)]
    fresh = len(set(blocks))
    assert len(set(blocks[:fresh])) == fresh


@given(st.permutations([labelled(f"8.{n}.0.0/{16 + n}", "ab"[n % 2]) for n in range(8)]), st.integers(0, 99))
def test_the_order_of_the_prefixes_does_not_matter(prefixes: list[Labelled], seed: int) -> None:
    assert choose(prefixes, 100, seed) == choose(sorted(prefixes), 100, seed)


def test_the_same_on_every_machine() -> None:
    prefixes = [labelled("8.0.0.0/12", "one", "x"), labelled("9.0.0.0/22", "two"), labelled("9.9.9.9/32", "one")]
    assert [f"{addresses.text(item.address)} {item.provider}" for item in choose(prefixes, 6, 1)] == [
        "9.9.9.9 one",
        "8.7.188.197 one",
        "9.0.1.77 two",
        "8.6.35.88 one",
        "9.0.0.69 two",
        "8.4.138.198 one",
    ]


def test_another_seed_chooses_other_addresses() -> None:
    prefixes = [labelled("8.0.0.0/12")]
    assert not set(choose(prefixes, 100, 1)) & set(choose(prefixes, 100, 2))


def test_providers_and_regions_take_turns() -> None:
    prefixes = [
        labelled("8.0.0.0/10", "big", "x"),
        labelled("9.0.0.0/16", "big", "y"),
        labelled("11.0.0.0/22", "small", "x"),
    ]
    counts = Counter(item[1:] for item in choose(prefixes, 100, 7))
    assert counts == {("big", "x"): 48, ("big", "y"): 48, ("small", "x"): 4}
    assert {item[1:] for item in choose(prefixes, 3, 7)} == set(counts)


def test_every_prefix_of_a_label_comes_before_a_second_address_of_any() -> None:
    prefixes = [labelled("8.0.0.0/10"), *(labelled(f"9.0.{n}.0/24") for n in range(50))]
    seeds = choose(prefixes, 51, 3)
    assert all(sum(holds(prefix, item.address) for item in seeds) == 1 for prefix in prefixes)


def test_edges_of_small_prefixes() -> None:
    every = choose([labelled("8.8.8.8/30"), labelled("8.8.4.4/31"), labelled("9.9.9.9/32")], 99, 1)
    assert {addresses.text(item.address) for item in every} == {
        "8.8.8.9", "8.8.8.10", "8.8.4.4", "8.8.4.5", "9.9.9.9",
    }  # fmt: skip
    ends = [labelled("8.0.0.0/32"), labelled("8.0.0.255/32"), labelled("9.0.0.0/31"), labelled("9.0.0.254/31")]
    assert {addresses.text(item.address) for item in choose(ends, 99, 1)} == {"9.0.0.1", "9.0.0.254"}


def test_special_purpose_prefixes_give_nothing() -> None:
    prefixes = [labelled(cidr) for cidr in ("10.0.0.0/8", "224.0.0.0/3", "127.0.0.0/8", "192.0.2.0/24")]
    assert choose(prefixes, 10, 1) == []


def test_special_parts_of_a_prefix_are_passed_over() -> None:
    seeds = choose([labelled("198.16.0.0/14")], 1000, 5)
    assert len(seeds) == 512 + 488  # every ordinary /24 once, then some twice
    assert not any(special_use(item.address) for item in seeds)


def test_a_huge_prefix_is_not_expanded() -> None:
    assert len(choose([labelled("0.0.0.0/0")], 5, 1)) == 5


def test_mix_follows_splitmix64() -> None:
    # The reference generator seeded with 0: its n-th output is mix(n * golden gamma).
    gamma = 0x9E3779B97F4A7C15
    assert [mix(n * gamma) for n in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_nothing_asked_nothing_given() -> None:
    assert choose([labelled("8.0.0.0/8")], 0, 1) == []
    assert choose([], 5, 1) == []
    assert list(islice(choose([labelled("8.8.8.8/32")], 5, 1), 2)) == [Seed(0x08080808, "one", "")]
