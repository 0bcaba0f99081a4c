"""`hopmap data fetch`: refresh the cloud table from the providers' own feeds, on command only."""

import argparse
import hashlib
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hopmap import __version__
from hopmap.client import Client, Endpoint, Response, Unreachable
from hopmap.data import cloud, feeds, fetched
from hopmap.data.cloud import CloudPrefix
from hopmap.data.feeds import FEEDS, MAX_BYTES, Feed, FeedError
from hopmap.data.fetched import FeedRecord, Fetched
from hopmap.data.packed import DataError
from hopmap.errors import UserError, one_line

AZURE_PAGE = "https://www.microsoft.com/en-us/download/details.aspx?id=56519"
_LEAST_KEPT = 0.8
_FEED_SECONDS = 120.0  # for all of a feed, however steadily it drips


class Refused(Exception):
    """This provider's feed is not taken: why, and what to do. The others are not concerned."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A feed's bytes, where they are from, and what the server calls this version of them."""

    content: bytes
    source: str
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A good feed: its disjoint prefixes, its record, how many of its entries were left out."""

    prefixes: list[CloudPrefix]
    record: FeedRecord
    dropped: int

    def in_words(self) -> str:
        """The figures of it, on one line."""
        regions = len({prefix.region for prefix in self.prefixes} - {""})
        left_out = f", {self.dropped} left out (special use, or wider than /{feeds.WIDEST})" if self.dropped else ""
        return f"{len(self.prefixes):,} prefixes, {self.record.addresses:,} addresses, {regions} regions{left_out}"


Get = Callable[[Feed, FeedRecord | None], Answer | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hopmap data fetch`."""
    names = ", ".join(feed.provider for feed in FEEDS)
    parser.add_argument(
        "providers", nargs="*", metavar="PROVIDER", help=f"whose feeds ({names}); default: all that can be had"
    )
    parser.add_argument("--into", metavar="DIR", help="folder of the table; default: $XDG_DATA_HOME/hopmap")
    parser.add_argument("--allow-shrink", action="store_true", help="take a feed that lost more than a fifth")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--from-dir", metavar="DIR", help="read files downloaded before (aws.json, ...); no network")
    where.add_argument("--mirror", metavar="URL", help="get URL/aws.json, ... instead of the providers' addresses")
    parser.add_argument("--azure", metavar="URL|FILE", help="this week's ServiceTags_Public_*.json of Azure")


def run(given: argparse.Namespace, environ: Mapping[str, str], today: date) -> int:
    """Fetch what was asked for; 0 when all of it was had, 1 when some was not. UserError when nothing can be done."""
    local = {feed.provider: Path(given.from_dir) / feed.file for feed in FEEDS if given.from_dir is not None}
    mirror = given.mirror.rstrip("/") if given.mirror else ""
    address = {feed.provider: f"{mirror}/{feed.file}" if mirror else feed.url for feed in FEEDS}
    if given.azure and urlsplit(given.azure).scheme not in {"http", "https"}:
        local["azure"] = Path(given.azure)
    elif given.azure and local:
        raise UserError("--from-dir uses no network: give Azure's file, not its URL, with --azure")
    elif given.azure:
        address["azure"] = given.azure
    chosen = _chosen(given, local, address)

    def get(feed: Feed, record: FeedRecord | None) -> Answer | None:
        if feed.provider in local:
            return from_file(local[feed.provider])
        return from_network(address[feed.provider], record)

    try:
        held = fetched.load(Path(given.into) if given.into else default_folder(environ))
    except DataError as error:
        raise UserError(str(error)) from error
    return refresh(held, chosen, get, today, allow_shrink=given.allow_shrink)


def default_folder(environ: Mapping[str, str]) -> Path:
    """Where a user's own data is: $XDG_DATA_HOME/hopmap, else ~/.local/share/hopmap."""
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "hopmap"


def refresh(held: Fetched, chosen: Iterable[Feed], get: Get, today: date, *, allow_shrink: bool) -> int:
    """Take each feed that can be taken, say what came of each, and write the table once if any was new."""
    taken: dict[str, Taken] = {}
    failed = False
    for feed in chosen:
        try:
            new = _take(held, feed, get, today, allow_shrink=allow_shrink)
        except Refused as error:
            failed = True
            sys.stderr.write(f"{feed.provider}: {one_line(error)}\n")
            continue
        sys.stdout.write(f"{feed.provider}: {new.in_words() if new else 'unchanged'}\n")
        if new:
            taken[feed.provider] = new
    if taken:
        prefixes = {provider: new.prefixes for provider, new in taken.items()}
        records = {provider: new.record for provider, new in taken.items()}
        table = fetched.save(held, prefixes, records, today.isoformat())
        sys.stdout.write(f"wrote {held.folder / cloud.FILE}: {len(table.prefixes):,} prefixes\n")
    return 1 if failed else 0


def _take(held: Fetched, feed: Feed, get: Get, today: date, *, allow_shrink: bool) -> Taken | None:
    """The feed if it is good and new, None when it is the recorded one; Refused says why not."""
    record = held.feeds.get(feed.provider)
    answer = get(feed, record)
    digest = hashlib.sha256(answer.content).hexdigest() if answer else ""
    if answer is None or (record and record.sha256 == digest):
        return None
    try:
        parsed = feeds.parse(feed, answer.content)
    except FeedError as error:
        raise Refused(f"{answer.source}: {error}; look at it, and give a good copy with --from-dir") from error
    prefixes = cloud.flat(parsed.prefixes)
    count, before = cloud.size(prefixes), held.addresses_of(feed.provider)
    if count < _LEAST_KEPT * before and not allow_shrink:
        raise Refused(f"{count:,} addresses where there were {before:,}: if that is right, add --allow-shrink")
    made = FeedRecord(
        source=answer.source,
        date=today.isoformat(),
        sha256=digest,
        bytes=len(answer.content),
        addresses=count,
        etag=answer.etag,
        last_modified=answer.last_modified,
    )
    return Taken(prefixes, made, parsed.dropped)


def from_file(path: Path) -> Answer:
    """A feed that was downloaded before. Refused when it can't be read or is larger than any feed."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}; download it there first") from error
    if len(content) > MAX_BYTES:
        raise Refused(f"{path} is larger than {MAX_BYTES >> 20} MiB: no feed is; download it again")
    return Answer(content, path.name)


def _checked(url: str) -> tuple[SplitResult, Endpoint]:
    if not url.isascii() or not url.isprintable():
        raise Refused(f"{url!r} has letters that no URL has: write them as %XX")
    try:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            raise Refused(f"{url!r} is no URL: give one that begins with https://")
        endpoint = Endpoint.parse(f"{parts.scheme}://{parts.netloc}")
    except ValueError as error:
        raise Refused(f"{error}; give the URL of a file") from error
    if not endpoint.guards_token():
        raise Refused(f"{url} could be changed on its way: give an https address")
    return parts, endpoint


def from_network(url: str, record: FeedRecord | None, seconds: float = _FEED_SECONDS) -> Answer | None:
    """A feed from its address, None when the server says that the recorded one is still right. Refused says why not.

    Only https (or loopback); redirects are not followed, and no cookies or tokens are sent.
    """
    parts, endpoint = _checked(url)
    headers = {"User-Agent": f"hopmap/{__version__}", "Accept": "*/*"}
    if record and record.source == url:
        headers |= {"If-None-Match": record.etag} if record.etag else {}
        headers |= {"If-Modified-Since": record.last_modified} if record.last_modified else {}
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = _within(seconds, Client(endpoint, headers=headers), path)
    except Unreachable as error:
        raise Refused(f"{error}; try again later, or download it and use --from-dir") from error
    if answer.status == HTTPStatus.NOT_MODIFIED and record:
        return None
    if answer.status != HTTPStatus.OK:
        to = answer.headers.get("location", "")[:200]
        moved = f" and points to {to!r}, which is not followed" if to else ""
        raise Refused(f"{url} answered {answer.status}{moved}; try again later, or download it and use --from-dir")
    return Answer(answer.body, url, answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))


def _within(seconds: float, client: Client, path: str) -> Response:
    """What a client gets; Unreachable also after so many seconds in all, since its own timeout is for each read."""
    answer: Future[Response] = Future()

    def get() -> None:
        try:
            with client:
                got = client.request("GET", path, limit=MAX_BYTES)
        except Unreachable as error:
            answer.set_exception(Unreachable(str(error)))  # a new one: the frames of the old hold the connection
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            answer.set_exception(error)
        else:
            answer.set_result(got)

    threading.Thread(target=get, daemon=True).start()  # left behind when it is late: the command ends soon
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise Unreachable(f"{path} was not had within {seconds:g} s") from None


def _chosen(given: argparse.Namespace, local: Mapping[str, Path], address: Mapping[str, str]) -> list[Feed]:
    known = {feed.provider: feed for feed in FEEDS}
    for name in given.providers:
        if name not in known:
            raise UserError(f"no feed of {name[:40]!r} is known: choose from {', '.join(known)}")
        if name not in local and not address[name]:
            raise UserError(
                f"the address of the {name} feed changes each week: find it at {AZURE_PAGE}, give it with --azure"
            )
    if given.providers:
        return [known[name] for name in dict.fromkeys(given.providers)]
    if given.from_dir is None:
        return [feed for feed in FEEDS if feed.provider in local or address[feed.provider]]
    asked = {"azure"} if given.azure else set()
    found = [feed for feed in FEEDS if feed.provider in asked or local[feed.provider].exists()]
    if not found:
        raise UserError(f"none of {', '.join(feed.file for feed in FEEDS)} is there: download them, or mend --from-dir")
    return found
