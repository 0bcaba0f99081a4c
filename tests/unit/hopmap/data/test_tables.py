"""The readers of cloud, AS, country and places: on small tables of our own, then sanity of the shipped ones."""

from collections import Counter
from collections.abc import Mapping

import pytest

from hopmap import addresses
from hopmap.data import asn, cloud, country, packed, places
from hopmap.data.cloud import Cloud, CloudPrefix
from hopmap.data.packed import DataError, unpack
from hopmap.data.ranges import Range
from hopmap.data.special import special_use_of_prefix

DAY = "2026-10-05"


def prefix(cidr: str, provider: str = "one", region: str = "") -> CloudPrefix:
    return CloudPrefix(*addresses.prefix(cidr), provider, region)


ROWS = [prefix("8.0.0.0/9", "one", "x"), prefix("8.128.0.0/32", "two"), prefix("255.255.255.254/31", "one", "y")]


def test_cloud_prefixes_come_back_in_order() -> None:
    table = Cloud(unpack(cloud.build(reversed(ROWS), DAY, "s", "l"), cloud.KIND, "a file"))
    assert (table.date, table.source, table.licence) == (DAY, "s", "l")
    assert list(table.prefixes) == ROWS
    assert table.prefixes[-1] == ROWS[-1]
    assert table.prefixes[1:] == ROWS[1:]
    with pytest.raises(IndexError):
        table.prefixes[3]


@pytest.mark.parametrize(
    ("address", "row"),
    [
        ("7.255.255.255", None),
        ("8.0.0.0", 0),
        ("8.127.255.255", 0),
        ("8.128.0.0", 1),
        ("8.128.0.1", None),
        ("255.255.255.253", None),
        ("255.255.255.255", 2),
    ],
)
def test_cloud_look_up_at_the_edges(address: str, row: int | None) -> None:
    table = Cloud(unpack(cloud.build(ROWS, DAY, "s", "l"), cloud.KIND, "a file"))
    assert table.lookup(addresses.number(address)) == (None if row is None else ROWS[row])


def test_an_empty_cloud_table_knows_nothing() -> None:
    table = Cloud(unpack(packed.pack(cloud.KIND, DAY, "s", "l", columns(labels=b"a\t\n")), cloud.KIND, "a file"))
    assert table.lookup(5) is None


@pytest.mark.parametrize(
    "rows", [[prefix("8.0.0.0/9"), prefix("8.1.0.0/16")], [CloudPrefix(1, 24, "one", "")]], ids=["overlap", "host bits"]
)
def test_overlapping_cloud_prefixes_are_refused(rows: list[CloudPrefix]) -> None:
    with pytest.raises(ValueError, match="overlaps the one before, or has bits"):
        cloud.build(rows, DAY, "s", "l")


def columns(**changes: bytes) -> dict[str, bytes]:
    return {"networks": b"", "lengths": b"", "rows": b"", "labels": b"", **changes}


@pytest.mark.parametrize(
    "sections",
    [
        columns(networks=bytes(4), lengths=b"\x18\x18", rows=bytes(2), labels=b"a\tb\n"),
        columns(networks=bytes(4), lengths=b"\x18", rows=b"\x01\x00", labels=b"a\tb\n"),
        columns(networks=bytes(3), lengths=b"\x18", rows=bytes(2), labels=b"a\tb\n"),
    ],
)
def test_columns_that_do_not_fit_are_refused(sections: Mapping[str, bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what to call it is the work of packed.read
        Cloud(unpack(packed.pack(cloud.KIND, DAY, "s", "l", sections), cloud.KIND, "a file"))


def asn_table() -> asn.AsnTable:
    rows = [Range(0, 255, 64500), Range(16, 31, 64501), Range(300, 300, 64502)]
    names = {64501: "Größe & Söhne", 64500: "First", 64503: ""}
    return asn.AsnTable(unpack(asn.build(rows, names, DAY, "s", "l"), asn.KIND, "a file"))


def test_asn_look_ups() -> None:
    table = asn_table()
    assert table.lookup(15) == (64500, "First")
    assert table.lookup(16) == (64501, "Größe & Söhne")
    assert table.lookup(300) == (64502, "")
    assert table.lookup(299) is None
    assert table.number_of(299) == 0
    assert table.ranges_of(64500) == [(0, 15), (32, 255)]
    assert table.ranges_of(0) == table.ranges_of(1) == []
    assert [row.value for row in table.ranges()] == [64500, 64501, 64500, 64502]
    assert [table.name_of(number) for number in (1, 64500, 64503, 70000)] == ["", "First", "", ""]


def test_names_that_do_not_fit_their_numbers_are_refused() -> None:
    good = unpack(asn.build([Range(0, 1, 5)], {5: "five"}, DAY, "s", "l"), asn.KIND, "a file")
    for section, content in (("names", b"fiv"), ("numbers", b"")):
        sections = {**good.sections, section: memoryview(content)}
        with pytest.raises(ValueError, match="do not fit"):
            asn.AsnTable(good._replace(sections=sections))


def test_country_look_ups() -> None:
    blob = country.build([(0, 99, "FI"), (10, 19, "SE"), (200, 2**32 - 1, "XK")], DAY, "s", "l")
    table = country.CountryTable(unpack(blob, country.KIND, "a file"))
    assert [table.lookup(address) for address in (9, 10, 20, 100, 2**32 - 1)] == ["FI", "SE", "FI", None, "XK"]
    assert list(table.within(95, 201)) == [(95, 99, "FI"), (100, 199, ""), (200, 201, "XK")]


def test_places_name_the_line_that_is_damaged() -> None:
    assert places.parse("# x\nFI\tFinland\t64.1\t26.2\tcentre\n", "a file") == {
        "FI": places.Place("Finland", 64.1, 26.2, is_town=False)
    }
    with pytest.raises(DataError, match="a file, line 2, is damaged"):
        places.parse("# x\nFI\tFinland\tnorth\t26.2\tcentre\n", "a file")


def test_missing_places_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "FILE", "none.tsv")
    with pytest.raises(DataError, match=r"none\.tsv is missing"):
        places.load()


# ---- the tables that are shipped


def test_shipped_cloud_prefixes_are_disjoint_and_ordinary() -> None:
    prefixes = cloud.load().prefixes
    assert len(prefixes) > 10_000
    end = 0
    for row in prefixes:
        assert row.network >= end
        assert not special_use_of_prefix(row.network, row.length), row
        end = row.network + (1 << (32 - row.length))
    assert {"aws", "azure", "gcp", "oracle", "hetzner", "ovh", "cloudflare"} <= {row.provider for row in prefixes}
    assert not {"cogent", "akamai", "vercel", "contabo"} & {row.provider for row in prefixes}


def test_shipped_asn_table_knows_who_runs_the_clouds() -> None:
    """Of each large provider most prefixes are announced by an AS whose name is the provider's."""
    systems, names = asn.load(), {"gcp": "google", "azure": "microsoft", "aws": "amazon", "hetzner": "hetzner"}
    announced, own = Counter[str](), Counter[str]()
    for row in cloud.load().prefixes:
        system = systems.lookup(row.network + 1)
        if row.provider in names and system:
            announced[row.provider] += 1
            own[row.provider] += names[row.provider] in system.name.lower()
    assert {provider: own[provider] / announced[provider] > 0.8 for provider in names} == dict.fromkeys(names, True)


def test_shipped_countries_have_places() -> None:
    countries, points = country.load(), places.load()
    found = {code for _, _, code in countries.within(0, 2**32 - 1)} - {""}
    assert found - points.keys() == {"BV"}  # Bouvet Island: nobody lives there
    assert countries.lookup(addresses.number("193.166.3.1")) == "FI"
    assert all(-90 <= point.latitude <= 90 and -180 <= point.longitude <= 180 for point in points.values())
    assert (round(points["FJ"].longitude), round(points["RU"].latitude)) == (178, 60)  # both lie on the 180th meridian
