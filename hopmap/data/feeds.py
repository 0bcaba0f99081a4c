"""What cloud providers publish of their prefixes: one small reader for each format. Pure: bytes in, prefixes out."""

import csv
import ipaddress
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.data.cloud import CloudPrefix
from hopmap.data.special import special_use_of_prefix

MAX_BYTES = 32 << 20
MOST_PREFIXES = 200_000
MOST_REGIONS = 2_000  # the table counts labels in 16 bits, over all providers
LONGEST_REGION = 80
WIDEST = 8  # nobody's own block is wider: such a prefix is a slip


class FeedError(ValueError):
    """The content is not what this feed publishes; says where and why."""


class Entry(NamedTuple):
    """A prefix as the feed writes it (of either family), and its region, "" where it has none."""

    prefix: str
    region: str


class Parsed(NamedTuple):
    """The ordinary IPv4 prefixes of a feed (they may overlap), and how many others were left out as no provider's."""

    prefixes: list[CloudPrefix]
    dropped: int


class Feed(NamedTuple):
    """A provider's feed. `url` is "" where the address changes; `file` is its name in a folder or on a mirror."""

    provider: str
    url: str
    file: str
    entries: Callable[[bytes], Iterator[Entry]]


def parse(feed: Feed, content: bytes) -> Parsed:
    """Read a feed whole. FeedError when any of it is not as it should be: half a feed would unmake the map's seeds."""
    found: list[CloudPrefix] = []
    regions: set[str] = set()
    dropped = 0
    for number, entry in enumerate(feed.entries(content), start=1):
        if number > MOST_PREFIXES:
            raise FeedError(f"more than {MOST_PREFIXES:,} prefixes")
        if _is_ipv6(entry.prefix):
            continue
        try:
            network, length = addresses.prefix(entry.prefix)
        except ValueError as error:
            raise FeedError(f"entry {number}: {error}") from error
        if length < WIDEST or special_use_of_prefix(network, length):
            dropped += 1
            continue
        region = _label(entry.region)
        regions.add(region)
        found.append(CloudPrefix(network, length, feed.provider, region))
    if not found:
        raise FeedError("no IPv4 prefix in it")
    if len(regions) > MOST_REGIONS:
        raise FeedError(f"more than {MOST_REGIONS:,} regions")
    return Parsed(found, dropped)


def aws(content: bytes) -> Iterator[Entry]:
    """AWS ip-ranges.json: `prefixes` of `ip_prefix` and `region`, the same prefix again for each service."""
    for where, row in _rows(_document(content), "prefixes"):
        yield Entry(_text(row, "ip_prefix", where), _where_not_global(_text(row, "region", where)))


def gcp(content: bytes) -> Iterator[Entry]:
    """Google cloud.json: `prefixes` of `ipv4Prefix` or `ipv6Prefix`, with the region as `scope`."""
    for where, row in _rows(_document(content), "prefixes"):
        if "ipv6Prefix" not in row:
            yield Entry(_text(row, "ipv4Prefix", where), _where_not_global(_text(row, "scope", where)))


def azure(content: bytes) -> Iterator[Entry]:
    """Azure ServiceTags_Public_*.json: only the tags AzureCloud.REGION; the others name parts of these again."""
    for where, tag in _rows(_document(content), "values"):
        if _text(tag, "name", where).startswith("AzureCloud."):
            properties = tag.get("properties")
            if not isinstance(properties, dict):
                raise FeedError(f"{where} has no 'properties'")
            region = _text(properties, "region", where)
            yield from (Entry(prefix, region) for prefix in _texts(properties, "addressPrefixes", where))


def oracle(content: bytes) -> Iterator[Entry]:
    """Oracle public_ip_ranges.json: `regions` of `region` and `cidrs`."""
    for where, row in _rows(_document(content), "regions"):
        region = _text(row, "region", where)
        for part, block in _rows(row, "cidrs"):
            yield Entry(_text(block, "cidr", f"{where}, {part}"), region)


def vultr(content: bytes) -> Iterator[Entry]:
    """Vultr's geofeed as JSON: `subnets` of `ip_prefix`, with the columns of RFC 8805 as keys where they are known."""
    for where, row in _rows(_document(content), "subnets"):
        place = (row.get(key) for key in ("alpha2code", "region", "city"))
        yield Entry(_text(row, "ip_prefix", where), _place(*(part if isinstance(part, str) else "" for part in place)))


def fastly(content: bytes) -> Iterator[Entry]:
    """Fastly public-ip-list: `addresses`; anycast, so without a region."""
    for prefix in _texts(_document(content), "addresses", "it"):
        yield Entry(prefix, "")


_GITHUB_LISTS = (
    "hooks", "web", "api", "git", "github_enterprise_importer", "packages", "pages", "importer", "actions",
    "actions_macos", "codespaces", "dependabot", "copilot",
)  # fmt: skip


def github(content: bytes) -> Iterator[Entry]:
    """GitHub /meta: a list of prefixes for each service, beside keys and names that are none."""
    document = _document(content)
    _texts(document, "git", "it")  # always there: what lacks it is another document
    for key in _GITHUB_LISTS:
        if key in document:
            yield from (Entry(prefix, "") for prefix in _texts(document, key, "it"))


def geofeed(content: bytes) -> Iterator[Entry]:
    """RFC 8805: lines of prefix, country, region, city, postal code; `#` begins a comment."""
    lines = (line for line in _lines(content) if not line.startswith("#"))
    try:
        for row in csv.reader(lines, skipinitialspace=True):
            columns = [column.strip() for column in row] + [""] * 3
            yield Entry(columns[0], _place(*columns[1:4]))
    except csv.Error as error:
        raise FeedError(f"not a geofeed: {error}") from error


def lines(content: bytes) -> Iterator[Entry]:
    """A prefix a line, without regions (Cloudflare's ips-v4)."""
    return (Entry(line, "") for line in _lines(content) if not line.startswith("#"))


FEEDS = (
    Feed("aws", "https://ip-ranges.amazonaws.com/ip-ranges.json", "aws.json", aws),
    Feed("gcp", "https://www.gstatic.com/ipranges/cloud.json", "gcp.json", gcp),
    Feed("azure", "", "azure.json", azure),
    Feed("oracle", "https://docs.oracle.com/en-us/iaas/tools/public_ip_ranges.json", "oracle.json", oracle),
    Feed("digitalocean", "https://www.digitalocean.com/geo/google.csv", "digitalocean.csv", geofeed),
    Feed("linode", "https://geoip.linode.com/", "linode.csv", geofeed),
    Feed("vultr", "https://geofeed.constant.com/?json", "vultr.json", vultr),
    Feed("cloudflare", "https://www.cloudflare.com/ips-v4", "cloudflare.txt", lines),
    Feed("fastly", "https://api.fastly.com/public-ip-list", "fastly.json", fastly),
    Feed("github", "https://api.github.com/meta", "github.json", github),
)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FeedError(f"not JSON, perhaps an error page ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise FeedError("not a JSON object")
    return document


def _rows(document: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(_list(document, key, "it"), start=1):
        if not isinstance(row, dict):
            raise FeedError(f"'{key}' {number} is not an object")
        yield f"'{key}' {number}", row


def _texts(row: dict[str, Any], key: str, where: str) -> list[str]:
    found = _list(row, key, where)
    if not all(isinstance(item, str) for item in found):
        raise FeedError(f"{where} has other things than texts in '{key}'")
    return found


def _list(row: dict[str, Any], key: str, where: str) -> list[Any]:
    found = row.get(key)
    if not isinstance(found, list):
        raise FeedError(f"{where} has no list '{key}'")
    return found


def _text(row: dict[str, Any], key: str, where: str) -> str:
    found = row.get(key)
    if not isinstance(found, str):
        raise FeedError(f"{where} has no text '{key}'")
    return found


def _lines(content: bytes) -> Iterator[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FeedError(f"byte {error.start} is not UTF-8 text") from error
    return (stripped for line in text.splitlines() if (stripped := line.strip()))


def _is_ipv6(prefix: str) -> bool:
    if ":" not in prefix:
        return False
    try:
        ipaddress.IPv6Interface(prefix)
    except ValueError:
        return False
    return True


def _where_not_global(region: str) -> str:
    return "" if region.lower() == "global" else region


def _place(country: str, region: str, city: str) -> str:
    """ "US-NJ Clifton" of the columns of RFC 8805; a region that is no ISO 3166-2 code is left out."""
    code = region if region.startswith(f"{country}-") else country
    return f"{code} {city}".strip()


def _label(region: str) -> str:
    """A region as the table can keep it: printable, on one line, and not long."""
    return "".join(letter if letter.isprintable() else "?" for letter in region)[:LONGEST_REGION]
