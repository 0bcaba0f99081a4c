"""The builder of the shipped tables, on packages of a few lines made here."""

import struct
from pathlib import Path

import pytest

from hopmap import addresses
from hopmap.data import asn, cloud, country
from hopmap.data.packed import unpack
from hopmap.data.ranges import cidrs
from scripts import build_data
from scripts.build_data import PROVIDERS, Labelled, healed

NPM = '{"name": "x", "version": "2.3.2026061719"}'


def number(text: str) -> int:
    return addresses.number(text)


def iporigin(folder: Path, ranges: list[tuple[str, str, str]], built: int = 1791200061) -> Path:
    """An unpacked iporigin with these IPv4 ranges."""
    labels = [*sorted(PROVIDERS), "Tor", "Cogent"]
    blob = struct.pack("<8sHQHII", b"IPORIGIN", 1, built, len(labels), len(ranges), 0)
    for label in labels:
        text = f"{label}\thosting".encode()
        blob += struct.pack("<H", len(text)) + text
    for first, last, label in ranges:
        blob += struct.pack("<IIH", number(first), number(last), labels.index(label))
    (folder / "iporigin" / "data").mkdir(parents=True)
    (folder / "iporigin-1.1.2.dist-info").mkdir()
    (folder / "iporigin" / "data" / "ranges.bin").write_bytes(blob)
    return folder


def countries(folder: Path, rows: str) -> country.CountryTable:
    (folder / "package.json").write_text(NPM)
    (folder / "geo-whois-asn-country-ipv4-num.csv").write_text(rows)
    return country.CountryTable(unpack(build_data.country_table(folder), country.KIND, "a file"))


def test_asn_table_from_csv(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(NPM)
    (tmp_path / "asn-ipv4-num.csv").write_text('10,20,64500,"A, B  Inc."\n12,13,64501,Inner\n')
    blob = build_data.asn_table(tmp_path)
    table = asn.AsnTable(unpack(blob, asn.KIND, "a file"))
    assert (table.date, table.lookup(11), table.lookup(12)) == ("2026-06-17", (64500, "A, B Inc."), (64501, "Inner"))
    assert build_data.asn_table(tmp_path) == blob


def test_cloud_table_with_countries_as_regions(tmp_path: Path) -> None:
    eight, nine = number("8.0.0.0"), number("8.0.128.0")
    regions = countries(tmp_path, f"{eight},{nine - 1},FI\n{nine},{nine + 999},SE\n")
    folder = iporigin(
        tmp_path / "wheel",
        [
            ("8.0.0.0", "8.0.129.255", "Amazon AWS"),
            ("8.0.130.0", "8.0.130.255", "Cogent"),
            ("8.1.0.0", "8.1.255.255", "Cloudflare"),
            ("192.0.2.0", "192.0.2.255", "Vultr"),
        ],
    )
    table = cloud.Cloud(unpack(build_data.cloud_table(folder, regions), cloud.KIND, "a file"))
    assert table.date == "2026-10-05"
    assert [(addresses.prefix_text(*row[:2]), *row[2:]) for row in table.prefixes] == [
        ("8.0.0.0/17", "aws", "FI"),
        ("8.0.128.0/23", "aws", "SE"),
        ("8.1.0.0/16", "cloudflare", ""),
    ]


def test_mixed_prefixes_are_halved_to_22_and_then_go_by_the_majority(tmp_path: Path) -> None:
    start = number("8.0.0.0")
    regions = countries(tmp_path, f"{start},{start + 699},FI\n{start + 700},{start + 2047},SE\n")
    parts = list(build_data.by_region(start, 21, "Amazon AWS", regions))
    assert parts == [(start, 22, "FI"), (start + 1024, 22, "SE")]


def test_small_holes_are_healed_and_others_are_not() -> None:
    rows = [
        Labelled(0, 99, "Vultr"),
        Labelled(100, 100, "Tor"),
        Labelled(101, 101, "Googlebot"),
        Labelled(102, 199, "Vultr"),
        Labelled(201, 299, "Vultr"),  # 200 is in no range: a real gap
        Labelled(300, 300, "Tor"),
        Labelled(301, 399, "Linode"),  # another provider
        Labelled(400, 999, "Cogent"),
        Labelled(1000, 1001, "Linode"),  # too wide a hole
        Labelled(1002, 1003, "Tor"),
    ]
    assert healed(rows) == [
        Labelled(0, 199, "Vultr"),
        Labelled(201, 299, "Vultr"),
        Labelled(301, 399, "Linode"),
        Labelled(1000, 1001, "Linode"),
    ]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("0.0.0.0", "255.255.255.255", ["0.0.0.0/0"]),
        ("8.0.0.1", "8.0.0.4", ["8.0.0.1/32", "8.0.0.2/31", "8.0.0.4/32"]),
        ("0.0.0.0", "0.0.0.2", ["0.0.0.0/31", "0.0.0.2/32"]),
        ("255.255.255.255", "255.255.255.255", ["255.255.255.255/32"]),
    ],
)
def test_ranges_become_prefixes(first: str, last: str, expected: list[str]) -> None:
    assert [addresses.prefix_text(*row) for row in cidrs(number(first), number(last))] == expected


def test_a_package_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not of format 1"):
        build_data.iporigin_rows(struct.pack("<8sHQHII", b"IPORIGIN", 2, 0, 0, 0, 0))
    with pytest.raises(SystemExit, match="no longer has Alibaba Cloud, Amazon AWS"):
        build_data.iporigin_rows(struct.pack("<8sHQHII", b"IPORIGIN", 1, 0, 0, 0, 0))
    (tmp_path / "package.json").write_text('{"version": "1.0.0"}')
    with pytest.raises(SystemExit, match="no version of the form"):
        build_data.npm_day(tmp_path)
