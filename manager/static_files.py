"""The files that pages load, held in memory under a path that changes with their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Contents and types by name; `digest` is of them all, so that a browser may keep them for good."""

    digest: str
    files: Mapping[str, tuple[bytes, str]]


def load(directory: Path) -> StaticFiles:
    """Every file of a known type in `directory`, read once."""
    files = {
        path.name: (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(directory.iterdir())
        if path.suffix in _TYPES
    }
    digest = hashlib.sha256()
    for name, (content, _) in files.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return StaticFiles(digest.hexdigest()[:16], files)
