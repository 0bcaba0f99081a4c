"""`flat`: overlapping labels made disjoint, checked address by address against the rule said plainly."""

from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.data import cloud
from hopmap.data.cloud import CloudPrefix


def prefix(cidr: str, provider: str = "one", region: str = "") -> CloudPrefix:
    return CloudPrefix(*addresses.prefix(cidr), provider, region)


def test_the_narrowest_wins_and_neighbours_are_joined() -> None:
    given_rows = [prefix("8.0.0.0/22", "one", "x"), prefix("8.0.1.0/24", "two"), prefix("8.0.4.0/22", "one", "x")]
    assert cloud.flat([*given_rows, *given_rows]) == [
        prefix("8.0.0.0/24", "one", "x"),
        prefix("8.0.1.0/24", "two"),
        prefix("8.0.2.0/23", "one", "x"),
        prefix("8.0.4.0/22", "one", "x"),
    ]


def test_of_equals_the_one_with_a_region_wins() -> None:
    assert cloud.flat([prefix("8.0.0.0/9"), prefix("8.0.0.0/9", "one", "x")]) == [prefix("8.0.0.0/9", "one", "x")]


PREFIXES = st.builds(
    lambda at, length, provider, region: CloudPrefix(at >> (32 - length) << (32 - length), length, provider, region),
    st.integers(2**32 - 64, 2**32 - 1),
    st.integers(26, 32),
    st.sampled_from("ab"),
    st.sampled_from(["", "x", "y"]),
)


@given(st.lists(PREFIXES, max_size=12))
def test_every_address_has_the_label_of_its_narrowest_prefix(rows: list[CloudPrefix]) -> None:
    made = cloud.flat(rows)
    cloud.build(made, "2026-01-01", "s", "l")  # refuses what overlaps
    for address in range(2**32 - 64, 2**32):
        held = [row for row in rows if not (address ^ row.network) >> (32 - row.length)]
        best = max(held, key=lambda row: row.length, default=None)
        found = [row for row in made if not (address ^ row.network) >> (32 - row.length)]
        assert len(found) == (best is not None)
        if best:
            narrowest = {(row.provider, row.region) for row in held if row.length == best.length}
            assert (found[0].provider, found[0].region) in narrowest
            assert found[0].region or not any(region for _, region in narrowest)
    assert cloud.size(made) == len(
        {address for row in rows for address in range(row.network, row.network + (1 << (32 - row.length)))}
    )
