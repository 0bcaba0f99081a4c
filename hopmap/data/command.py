"""`hopmap data`: what the packaged tables are, how old they are, and what they know of an address."""

import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from importlib import resources
from typing import Protocol

from hopmap import addresses, config
from hopmap.data import asn, cloud, country, fetch, places
from hopmap.data.packed import DataError
from hopmap.data.special import block_of
from hopmap.errors import UserError

EXAMPLES = """\
  hopmap data                            the tables: date, age, size, licence, source
  hopmap data lookup 8.8.8.8 10.0.0.1    what they know of these addresses
  hopmap data lookup - < addresses.txt   the same for every line of the standard input
  hopmap data fetch aws gcp              make a newer cloud table from these providers' feeds
"""


class _Dated(Protocol):
    date: str
    source: str
    licence: str


def run(argv: list[str]) -> int:
    """Run `hopmap data`; returns the exit code. UserError for an address that is none, or a damaged table."""
    about = "Show the packaged tables, or look addresses up in them. Only `fetch` uses the network."
    parser = config.parser("data", about, EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    lookup = actions.add_parser("lookup", help="say what the tables know of addresses")
    lookup.add_argument("addresses", nargs="+", metavar="ADDRESS", help="IPv4 address, or '-' for one on each line")
    fetch.add_arguments(
        actions.add_parser(
            "fetch",
            help="make a newer cloud table from the providers' own feeds",
            description="Make a newer cloud table, for `hopmap input --seeds DIR/cloud.bin`; others' prefixes stay.",
        )
    )
    chosen = parser.parse_args(argv)
    if chosen.action == "fetch":
        return fetch.run(chosen, os.environ, datetime.now(UTC).date())
    try:
        lines = known(_given(chosen.addresses)) if chosen.action == "lookup" else overview(datetime.now(UTC).date())
        for line in lines:
            sys.stdout.write(line + "\n")
    except DataError as error:
        raise UserError(str(error)) from error
    return 0


def overview(today: date) -> Iterator[str]:
    """A row for every table that comes with hopmap, with its age in days."""
    yield f"{'table':<13}{'date':<12}{'age':>9}{'size':>12}  licence"
    tables: tuple[tuple[str, str, _Dated], ...] = (
        ("cloud", cloud.FILE, cloud.load()),
        ("asn", asn.FILE, asn.load()),
        ("country", country.FILE, country.load()),
    )
    for name, file, table in tables:
        age = f"{(today - date.fromisoformat(table.date)).days} days"
        yield f"{name:<13}{table.date:<12}{age:>9}{_size(file):>12}  {table.licence}"
        yield f"{'':13}{table.source}"
    yield f"{'places':<13}{'':<12}{'':>9}{_size(places.FILE):>12}  public domain"
    yield f"{'':13}Natural Earth, time zone database"
    yield f"{'special use':<13}{'':<12}{'':>9}{'':>12}  facts"
    yield f"{'':13}IANA IPv4 Special-Purpose Address Registry"
    yield ""
    yield "AS results: IP Geolocation by DB-IP (https://db-ip.com), RouteViews, NRO. Country: NRO."


def known(given: Iterable[tuple[str, int]]) -> Iterator[str]:
    """What the tables know of each address: one paragraph of name and value each."""
    systems, clouds, countries, points = asn.load(), cloud.load(), country.load(), places.load()
    for text, address in given:
        yield text
        block = block_of(address)
        yield _row("special use", f"{block.name}, {block.prefix} ({block.rfc}): never probed" if block else "none")
        system = systems.lookup(address)
        yield _row("origin AS", f"AS{system.number} {printable(system.name)}" if system else "not known")
        code = countries.lookup(address) or ""
        place = points.get(code)
        yield _row("country", f"{code} {place.name}" if place else code or "not known")
        prefix = clouds.lookup(address)
        yield _row("cloud", f"{prefix.provider} {prefix.region}".strip() if prefix else "none that is known")


def _given(texts: list[str]) -> Iterator[tuple[str, int]]:
    for text in texts:
        for number, line in enumerate(sys.stdin if text == "-" else [text], start=1):
            word = line.strip()
            if not word and text == "-":
                continue
            try:
                yield word, addresses.number(word)
            except ValueError as error:
                where = f"line {number}: " if text == "-" else ""
                raise UserError(f"{where}{error}: give dotted IPv4 addresses") from error


def _row(name: str, value: str) -> str:
    return f"  {name:<13}{value}"


def printable(name: str) -> str:
    """A name from outside without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _size(file: str) -> str:
    return f"{len(resources.files('hopmap.data').joinpath(file).read_bytes()) / 1000:,.0f} kB"
