"""A folder with a cloud table made from providers' feeds, and the record of where each part is from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from hopmap.data import cloud, packed
from hopmap.data.cloud import Cloud, CloudPrefix
from hopmap.errors import UserError
from hopmap.identity import make_directory, write_whole

RECORD = "cloud.json"
_FORMAT = 1
_MODE = 0o644  # no secret: the input may run as another user
_TERMS = "the providers' own terms for their feeds"


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """One feed as it was taken: `addresses` of its own, before other providers' narrower prefixes cut into them."""

    source: str
    date: str
    sha256: str
    bytes: int
    addresses: int
    licence: str = _TERMS
    etag: str = ""
    last_modified: str = ""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what the record file holds. TypeError or ValueError for another shape."""
        made = cls(**row)
        if not all(isinstance(getattr(made, name), kind) for name, kind in cls.__annotations__.items()):
            raise TypeError("a value of the wrong type")
        return made


@dataclass(frozen=True)
class Fetched:
    """What a folder holds: the table, where the parts that were never fetched are from, a record of each feed in it."""

    folder: Path
    table: Cloud
    base: str
    base_licence: str
    feeds: Mapping[str, FeedRecord] = field(default_factory=dict)

    def addresses_of(self, provider: str) -> int:
        """How many addresses the provider had until now."""
        if provider in self.feeds:
            return self.feeds[provider].addresses
        return cloud.size(prefix for prefix in self.table.prefixes if prefix.provider == provider)


def load(folder: Path) -> Fetched:
    """The folder's table, else the one that comes with hopmap. UserError when either file is there and damaged."""
    path, record = folder / cloud.FILE, folder / RECORD
    if not path.exists():
        packaged = cloud.load()
        return Fetched(folder, packaged, f"{packaged.source} ({packaged.date})", packaged.licence)
    try:
        table = cloud.read(path)
        held = Fetched(folder, table, f"{table.source} ({table.date})", table.licence)
        if not record.exists():
            return held
        found = json.loads(record.read_bytes())
        if found["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():  # cut off between the two files
            return held
        feeds = {str(name): FeedRecord.from_json(row) for name, row in found["feeds"].items()}
        return replace(held, base=str(found["base"]), base_licence=str(found["licence"]), feeds=feeds)
    except packed.DataError as error:
        raise UserError(f"{error}; or remove it to begin with the packaged table") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"cannot use {record} ({type(error).__name__}): remove it, and fetch again") from error


def save(held: Fetched, fresh: Mapping[str, list[CloudPrefix]], records: Mapping[str, FeedRecord], day: str) -> Cloud:
    """Put the fresh providers in place of what the folder has of them. Each file is written whole or not at all.

    The table before stays as cloud.previous.bin. UserError when the folder can't be written.
    """
    feeds = {**held.feeds, **records}
    kept = [prefix for prefix in held.table.prefixes if prefix.provider not in fresh]
    merged = cloud.flat([*kept, *(prefix for prefixes in fresh.values() for prefix in prefixes)])
    taken = ", ".join(f"{name} {feeds[name].date}" for name in sorted(feeds))
    blob = cloud.build(
        merged, day, f"providers' feeds ({taken}); the rest: {held.base}", f"{_TERMS}; {held.base_licence}"
    )
    record = {
        "format": _FORMAT,
        "sha256": hashlib.sha256(blob).hexdigest(),
        "base": held.base,
        "licence": held.base_licence,
        "feeds": {name: asdict(feeds[name]) for name in sorted(feeds)},
    }
    make_directory(held.folder)
    path = held.folder / cloud.FILE
    try:
        if path.exists():
            write_whole(path.with_name("cloud.previous.bin"), path.read_bytes(), _MODE)
        write_whole(path, blob, _MODE)
        write_whole(held.folder / RECORD, json.dumps(record, indent=1).encode() + b"\n", _MODE)
    except OSError as error:
        raise UserError(f"cannot write in {held.folder}: {error.strerror}; give another with --into") from error
    return packed.made(blob, cloud.KIND, str(path), Cloud)
