"""Build hopmap-agent.pyz: the agent with what it needs inside, as one file for any Python 3.11 or newer.

It holds the modules that the agent's commands import (found by reading them), PyYAML's and icmplib's own
files as they are installed here, without compiled parts, and everybody's licence. Two builds of
the same code with the same zlib give the same bytes: names are sorted, modes fixed, and every time is that of
the last commit that changed it.
"""

import argparse
import ast
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = "agents.onefile"  # its COMMANDS are followed as imports are
DEPENDENCIES = {"yaml": "PyYAML", "icmplib": "icmplib"}
OURS = ("hopmap", "agents")
# the one file meets any Python, not only those that pip would choose
ENTRY = b"""\
import sys

if sys.version_info < (3, 11):
    sys.exit("hopmap-agent needs Python 3.11 or newer, and this is " + sys.version.split()[0])

from agents.onefile import main

sys.exit(main())
"""
SHEBANG = b"#!/usr/bin/env python3\n"
EARLIEST = 315_532_800  # 1980, where the times of zip files begin


def source_of(name: str) -> Path | None:
    """The file of a module of ours or of a dependency; None for all others (the standard library)."""
    if name.partition(".")[0] not in {*OURS, *DEPENDENCIES}:
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def imported(name: str, path: Path) -> Iterator[str]:
    """Every module that this one may import, wherever in it, and those that its text names as commands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif name == START and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def closure(start: str) -> dict[str, Path]:
    """Modules by name, with their packages."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found or not all(part.isidentifier() for part in name.split(".")):
            continue
        path = source_of(name)
        if path is None:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *imported(name, path)] if "." in name else imported(name, path)
    return found


def licences(package: Distribution) -> dict[str, bytes]:
    """The licence files of an installed package, under licences/."""
    texts = {
        f"licences/{package.name}-{package.version}/{file.name}": Path(str(file.locate())).read_bytes()
        for file in package.files or ()
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    }
    if not texts:
        raise SystemExit(f"build_agent: {package.name} is installed without its licence: install it again with pip")
    return texts


def contents() -> dict[str, bytes]:
    """All files of the archive by their names in it."""
    files = {"__main__.py": ENTRY, "licences/hopmap/LICENSE": (ROOT / "LICENSE").read_bytes()}
    for name, path in closure(START).items():
        inside = name.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")
        files[inside] = path.read_bytes()
    for package in DEPENDENCIES.values():
        files |= licences(distribution(package))
    return files


def commit_time() -> int:
    """Seconds of $SOURCE_DATE_EPOCH, of the last commit of our packages, or of 1980 where there is neither."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "-c", f"safe.directory={ROOT}", "log", "-1", "--format=%ct", "--", *OURS]
        given = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return max(EARLIEST, int(given)) if given.isdecimal() else EARLIEST


def archive(files: dict[str, bytes], seconds: int) -> bytes:
    """The bytes of the one file."""
    moment = time.gmtime(seconds)[:6]
    memory = io.BytesIO()
    memory.write(SHEBANG)
    with zipfile.ZipFile(memory, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, files[name])
    return memory.getvalue()


def main(argv: Iterable[str]) -> int:
    """Write the file and say how large it is."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--output", type=Path, default=ROOT / "hopmap-agent.pyz", metavar="FILE")
    given = flags.parse_args(list(argv))
    files = contents()
    content = archive(files, commit_time())
    given.output.parent.mkdir(parents=True, exist_ok=True)
    temporary = given.output.with_name(f".{given.output.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.chmod(0o755)
    temporary.replace(given.output)
    sys.stdout.write(f"{given.output}: {len(content):,} bytes, {len(files)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
