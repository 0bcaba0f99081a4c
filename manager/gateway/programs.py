"""The one files of agents that the operator has put here for agents to fetch; told by their SHA-256."""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from hopmap.errors import UserError, one_line
from hopmap.identity import make_directory, write_whole
from hopmap.wire import decode
from hopmap.wire.control import MAX_AGENT_BYTES
from hopmap.wire.decode import WireError

MOST_KEPT = 8
_NAME = re.compile(r"(?P<version>[A-Za-z0-9][A-Za-z0-9._-]{0,63})@(?P<sha256>[0-9a-f]{64})\.pyz")
_VERSION = re.compile(rb'^__version__ = "([^"\n]{1,64})"$', re.MULTILINE)
_STARTS, _SAYS_VERSION = "agents/onefile.py", "hopmap/__init__.py"
_LONGEST_SOURCE = 64 << 10


class Program(NamedTuple):
    """A file of an agent: its version, the SHA-256 of its bytes in hex, how many they are."""

    version: str
    sha256: str
    size: int


class Programs:
    """A folder of at most MOST_KEPT files, each named by version and digest; nothing else says what is there."""

    def __init__(self, folder: Path) -> None:
        make_directory(folder)
        self._folder = folder

    def listed(self) -> list[Program]:
        """All, the newest first. OSError as it comes."""
        found = []
        for path in self._folder.iterdir():
            named = _NAME.fullmatch(path.name)
            if named:
                state = path.stat()
                found.append((state.st_mtime_ns, Program(named["version"], named["sha256"], state.st_size)))
        return [program for _, program in sorted(found, reverse=True)]

    def publish(self, content: bytes) -> tuple[Program, bool]:
        """Keep a file, durably; whether it is new here. UserError for one that no agent could run; OSError."""
        program = examined(content)
        known = self.listed()
        if program in known:
            return program, False
        write_whole(self._path(program), content)
        for old in known[MOST_KEPT - 1 :]:
            self._path(old).unlink(missing_ok=True)
        return program, True

    def read(self, sha256: str) -> bytes | None:
        """The bytes of a file; None where there is none of that digest. OSError as it comes."""
        for program in self.listed():
            if program.sha256 == sha256:
                return self._path(program).read_bytes()
        return None

    def keep_only(self, wanted: Collection[str]) -> set[str]:
        """Remove every file whose SHA-256 is not wanted; the SHA-256s that are there then. OSError as it comes."""
        known = self.listed()
        for program in known:
            if program.sha256 not in wanted:
                self._path(program).unlink(missing_ok=True)
        return {program.sha256 for program in known if program.sha256 in wanted}

    def _path(self, program: Program) -> Path:
        return self._folder / f"{program.version}@{program.sha256}.pyz"


def examined(content: bytes) -> Program:
    """What a file is; UserError when it is no hopmap-agent.pyz. Nothing of it is run."""
    if not 0 < len(content) <= MAX_AGENT_BYTES:
        raise UserError(f"it has {len(content)} bytes; a file of an agent has 1 to {MAX_AGENT_BYTES}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            broken = zipped.testzip() if sum(one.file_size for one in zipped.infolist()) <= 8 * MAX_AGENT_BYTES else "/"
            names = set(zipped.namelist())
            if broken is not None or not names.issuperset({_STARTS, _SAYS_VERSION, "__main__.py"}):
                raise UserError("it is no whole hopmap-agent.pyz: build one with make agent")
            with zipped.open(_SAYS_VERSION) as file:
                said = _VERSION.search(file.read(_LONGEST_SOURCE))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"it is no hopmap-agent.pyz ({one_line(error)}): build one with make agent") from error
    try:
        version = decode.name(said[1].decode("utf-8", "replace") if said else "", "version")
    except WireError as error:
        raise UserError(f"it does not say its version in {_SAYS_VERSION}") from error
    return Program(version, hashlib.sha256(content).hexdigest(), len(content))
