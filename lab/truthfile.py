"""The truth on disk: JSON lines, compressed where the name ends in .gz, whole or not there at all."""

import contextlib
import gzip
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from hopmap.errors import UserError


def write(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows beside the file and put them in its place; how many. UserError when that can't be done."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        with beside.open("wb") as raw, _compressing(raw, path) as stream:
            for row in rows:
                stream.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
                count += 1
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UserError(f"cannot write the truth to {path}: {error.strerror}") from error
    return count


@contextlib.contextmanager
def _compressing(raw: IO[bytes], path: Path) -> Iterator[Any]:
    if path.suffix != ".gz":
        yield raw
        return
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=5, mtime=0, filename="") as stream:
        yield stream


def lines(path: Path) -> Iterator[str]:
    """The lines of a file, decompressed if it is gzip. UserError when it can't be read."""
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as stream:
            yield from stream
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
