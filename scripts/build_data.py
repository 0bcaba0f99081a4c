"""Build the packaged tables of hopmap/data from the packages that publish their sources.

Nothing here runs on a user's machine: it is for whoever brings the shipped tables up to date. It needs pip and npm
on the path when packages are to be fetched; folders of unpacked packages do as well. See docs/data.md.
"""

import argparse
import csv
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hopmap.data import asn, cloud, country
from hopmap.data.cloud import CloudPrefix
from hopmap.data.country import CountryTable
from hopmap.data.packed import unpack
from hopmap.data.ranges import Range, cidrs
from hopmap.data.special import special_use_of_prefix

TARGET = Path(__file__).resolve().parent.parent / "hopmap" / "data"
CC_BY = "CC BY 4.0"

# Providers of the package's tiers 1 (the provider's own feed) and 2 (CC0 lists) that rent machines or run edges.
# Tier 3 has no licence in writing; VPN exits, Tor exits and crawlers are nobody's seed.
PROVIDERS = {
    "Alibaba Cloud": "alibaba",
    "Amazon AWS": "aws",
    "Cloudflare": "cloudflare",
    "DigitalOcean": "digitalocean",
    "Fastly": "fastly",
    "Gcore": "gcore",
    "GitHub": "github",
    "Google": "google",
    "Google Cloud": "gcp",
    "Hetzner": "hetzner",
    "Huawei Cloud": "huawei",
    "IBM Cloud": "ibm",
    "Leaseweb": "leaseweb",
    "Linode": "linode",
    "Microsoft Azure": "azure",
    "OVHcloud": "ovh",
    "Oracle Cloud": "oracle",
    "Rackspace": "rackspace",
    "Scaleway": "scaleway",
    "Tencent Cloud": "tencent",
    "UpCloud": "upcloud",
    "Vultr": "vultr",
}
WIDEST_HOLE = 256  # addresses of a crawler or VPN exit inside a provider's block that are counted as the block's

ANYCAST = {"cloudflare", "fastly", "gcore"}  # answered from everywhere: a region would say nothing
SMALLEST_PART = 22  # a prefix is not split further to tell regions apart


class Labelled(NamedTuple):
    """A range (both ends included) with the provider the package names."""

    first: int
    last: int
    provider: str


def main() -> int:
    """Rebuild every table, from folders given or from packages fetched by name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iporigin", type=Path, help="folder of the unpacked PyPI package iporigin")
    parser.add_argument("--asn", type=Path, help="folder of the unpacked npm package @ip-location-db/asn")
    parser.add_argument(
        "--country", type=Path, help="folder of the unpacked npm package @ip-location-db/geo-whois-asn-country"
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="folder to write to (default: hopmap/data)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(chosen.target / asn.FILE, asn_table(chosen.asn or from_npm("@ip-location-db/asn", folder)))
        countries = country_table(chosen.country or from_npm("@ip-location-db/geo-whois-asn-country", folder))
        write(chosen.target / country.FILE, countries)
        regions = CountryTable(unpack(countries, country.KIND, country.FILE))
        write(chosen.target / cloud.FILE, cloud_table(chosen.iporigin or from_pypi("iporigin", folder), regions))
    return 0


def write(path: Path, content: bytes) -> None:
    """Put a table in its place and say how large it is."""
    path.write_bytes(content)
    sys.stdout.write(f"{path.name}: {len(content):,} bytes\n")


def from_npm(package: str, scratch: Path) -> Path:
    """Fetch and unpack the newest version of an npm package."""
    done = subprocess.run(["npm", "pack", "--silent", package], cwd=scratch, check=True, capture_output=True, text=True)
    archive = scratch / done.stdout.split()[-1]
    folder = scratch / archive.stem
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "package"


def from_pypi(package: str, scratch: Path) -> Path:
    """Fetch and unpack the newest wheel of a PyPI package."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", package],
        cwd=scratch,
        check=True,
    )
    folder = scratch / package
    with zipfile.ZipFile(next(scratch.glob(f"{package}-*.whl"))) as packed:
        packed.extractall(folder)  # noqa: S202 - zipfile strips what would lead out of the folder
    return folder


def npm_day(folder: Path) -> tuple[str, str]:
    """The version of an npm package of ip-location-db and the day that its last number tells."""
    found = re.search(r'"version": "(\d+\.\d+\.(\d{4})(\d\d)(\d\d)\d*)"', (folder / "package.json").read_text())
    if found is None:
        raise SystemExit(f"{folder}/package.json has no version of the form 2.3.YYYYMMDDHH: is it the right package?")
    version, year, month, day = found.groups()
    return version, f"{year}-{month}-{day}"


def asn_table(folder: Path) -> bytes:
    """The AS table, from asn-ipv4-num.csv (first,last,number,name)."""
    version, day = npm_day(folder)
    ranges, names = [], {}
    with (folder / "asn-ipv4-num.csv").open(encoding="utf-8", newline="") as lines:
        for first, last, number, name in csv.reader(lines):
            ranges.append(Range(int(first), int(last), int(number)))
            names[int(number)] = " ".join(name.split())
    source = f"npm @ip-location-db/asn {version}: RouteViews, DB-IP and the NRO"
    return asn.build(ranges, names, day, source, CC_BY)


def country_table(folder: Path) -> bytes:
    """The country table, from geo-whois-asn-country-ipv4-num.csv (first,last,code)."""
    version, day = npm_day(folder)
    with (folder / "geo-whois-asn-country-ipv4-num.csv").open(encoding="utf-8", newline="") as lines:
        rows = [(int(first), int(last), code) for first, last, code in csv.reader(lines)]
    source = f"npm @ip-location-db/geo-whois-asn-country {version}: geofeeds, the RIRs and the NRO"
    return country.build(rows, day, source, CC_BY)


def cloud_table(folder: Path, regions: CountryTable) -> bytes:
    """The cloud table, from iporigin's ranges.bin; regions are countries, which iporigin does not have."""
    blob = (folder / "iporigin" / "data" / "ranges.bin").read_bytes()
    built, rows = iporigin_rows(blob)
    version = next(folder.glob("iporigin-*.dist-info")).name.removeprefix("iporigin-").removesuffix(".dist-info")
    prefixes = [
        CloudPrefix(network, length, PROVIDERS[row.provider], region)
        for row in healed(rows)
        for network, length in cidrs(row.first, row.last)
        if not special_use_of_prefix(network, length)  # providers do publish 192.0.2.0/24
        for network, length, region in by_region(network, length, row.provider, regions)
    ]
    day = datetime.fromtimestamp(built, UTC).date().isoformat()
    source = f"PyPI iporigin {version}, tiers 1 and 2; regions: country table of {regions.date}"
    return cloud.build(prefixes, day, source, f"MIT, CC0, {CC_BY}")


def iporigin_rows(blob: bytes) -> tuple[int, list[Labelled]]:
    """iporigin's IPv4 ranges, ascending and disjoint, with the second (Unix time) that they were built."""
    header = struct.Struct("<8sHQHII")
    magic, version, built, labels, count, _ = header.unpack_from(blob)
    if (magic, version) != (b"IPORIGIN", 1):
        raise SystemExit("ranges.bin of iporigin is not of format 1: this script needs a change")
    at, providers = header.size, []
    for _ in range(labels):
        (size,) = struct.unpack_from("<H", blob, at)
        providers.append(blob[at + 2 : at + 2 + size].decode().partition("\t")[0])
        at += 2 + size
    missing = PROVIDERS.keys() - set(providers)
    if missing:
        raise SystemExit(f"iporigin no longer has {', '.join(sorted(missing))}: look at its NOTICE, change PROVIDERS")
    rows = struct.iter_unpack("<IIH", blob[at : at + 10 * count])
    return built, [Labelled(first, last, providers[label]) for first, last, label in rows]


def healed(rows: list[Labelled]) -> list[Labelled]:
    """Only our providers' ranges; small holes that a crawler or VPN exit cut into one are filled again."""
    blocks: list[Labelled] = []
    end = -1  # how far known ranges go on without a gap
    for row in rows:
        joined = row.first == end + 1
        if row.provider in PROVIDERS:
            before = blocks[-1] if blocks else None
            if before and joined and row.provider == before.provider and row.first - before.last - 1 <= WIDEST_HOLE:
                blocks[-1] = before._replace(last=row.last)
            else:
                blocks.append(row)
        if joined or row.provider in PROVIDERS:
            end = row.last
    return blocks


def by_region(network: int, length: int, provider: str, regions: CountryTable) -> Iterator[tuple[int, int, str]]:
    """Halve a prefix until each part is of one country, or is small (then: where most of it is)."""
    if PROVIDERS[provider] in ANYCAST:
        yield network, length, ""
        return
    counted: dict[str, int] = {}
    for first, last, code in regions.within(network, network | (0xFFFFFFFF >> length)):
        counted[code] = counted.get(code, 0) + last - first + 1
    if len(counted) == 1 or length >= SMALLEST_PART:
        yield network, length, min(counted, key=lambda code: (-counted[code], code))
        return
    for half in (network, network | 1 << (31 - length)):
        yield from by_region(half, length + 1, provider, regions)


if __name__ == "__main__":
    raise SystemExit(main())
