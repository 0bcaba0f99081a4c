"""Which program of the agent is to run, and whether another is to be fetched: decided from a record, the clock outside.

A program is on trial from the moment it is put in place until it has heard control. It is started MOST_STARTS times at
most for that; then the one before it runs again, and it is not tried anew until another was wanted meanwhile.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zlib import crc32

from hopmap.wire import decode

MOST_STARTS = 3
LONGEST_WHY = 200
_RELEASE = re.compile(r"\d{1,9}(\.\d{1,9})*", re.ASCII)
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 6 * 3600.0
_SCHEMA = 1


class Program(NamedTuple):
    """The one file of an agent: its version, and the SHA-256 of its bytes in hex."""

    version: str
    sha256: str


class Failure(NamedTuple):
    """A program that did not come up, and why."""

    program: Program
    why: str


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept over restarts: `current` and `previous` have proven themselves; without them the installed runs."""

    installed: Program | None = None
    current: Program | None = None
    previous: Program | None = None
    trial: Program | None = None
    starts: int = 0
    failed: Failure | None = None

    @property
    def named(self) -> frozenset[str]:
        """The digests of the files that it speaks of."""
        return frozenset(one.sha256 for one in (self.current, self.previous, self.trial) if one is not None)


UNWANTED, NO_DIGEST, RUNNING, FAILED, OLDER, DUE = "unwanted", "no_digest", "running", "failed", "older", "due"


def judged(record: Record, running: Program, version: str | None, sha256: str | None) -> str:
    """What is to be done about the wanted version, in a word; DUE is to fetch it.

    None older than the installed is taken: who installed that by hand, wants no less.
    """
    if version is None:
        return UNWANTED
    if sha256 is None:
        return RUNNING if version == running.version else NO_DIGEST
    if sha256 == running.sha256:
        return RUNNING
    if record.failed is not None and record.failed.program == (version, sha256):
        return FAILED
    return OLDER if record.installed is not None and _release(version) < _release(record.installed.version) else DUE


def chosen(record: Record, installed: Program) -> tuple[Record, Program]:
    """The program to start now, and the record that has to be kept before it is."""
    if record.installed != installed:
        record = replace(record, installed=installed)
    least = _release(installed.version)
    if record.current is not None and _release(record.current.version) < least:
        record = replace(record, current=None, previous=None)  # a newer one was installed by hand
    if record.trial is not None and _release(record.trial.version) < least:
        record = replace(record, trial=None, starts=0)
    if record.trial is not None and record.starts >= MOST_STARTS:
        record = given_up(record, record.trial, f"it was started {MOST_STARTS} times and never heard control")
    if record.trial is not None:
        return replace(record, starts=record.starts + 1), record.trial
    return record, record.current or installed


def put_on_trial(record: Record, program: Program) -> Record:
    """It is in place and has passed its test: the next start is its first."""
    return replace(record, trial=program, starts=0, failed=None)


def proven(record: Record) -> Record:
    """The program on trial has heard control; the one before it is kept beside."""
    return record if record.trial is None else replace(record, current=record.trial, previous=record.current,
                                                       trial=None, starts=0)  # fmt: skip


def given_up(record: Record, program: Program, why: str) -> Record:
    """A program that must not be started again: the one before it, or the installed, is next."""
    return replace(without(record, program), failed=Failure(program, why[:LONGEST_WHY]))


def without(record: Record, program: Program) -> Record:
    """A program whose file is gone or damaged, which is not its own fault: it may be fetched anew."""
    if program == record.current:
        record = replace(record, current=record.previous, previous=None)
    return replace(record, trial=None, starts=0) if program == record.trial else record


def forgiven(record: Record, version: str | None, sha256: str | None) -> Record:
    """The record when this program is wanted: once another than the failed one is, that may be tried again later."""
    failed = record.failed
    if failed is None or version is None or sha256 is None or failed.program == (version, sha256):
        return record
    return replace(record, failed=None)


def delay(instance: str, sha256: str, spread: float) -> float:
    """How many seconds after hearing of a program this agent fetches it: each its own, over the whole spread."""
    return crc32(f"{instance} {sha256}".encode()) / 2**32 * spread


def patience(failures: int) -> float:
    """How many seconds to wait after so many failed fetches in a row."""
    return min(_LONGEST_WAIT, _FIRST_WAIT * (1 << min(max(failures - 1, 0), 20)))


def encode_record(record: Record) -> dict[str, Any]:
    """The JSON value of a record."""
    failed = None if record.failed is None else {**_encoded(record.failed.program), "why": record.failed.why}
    programs = {name: getattr(record, name) for name in _PROGRAMS}
    told = {name: None if one is None else _encoded(one) for name, one in programs.items()}
    return {"schema": _SCHEMA, **told, "starts": record.starts, "failed": failed}


def decode_record(value: object) -> Record:
    """A record out of its JSON value. WireError names what is wrong."""
    source = decode.mapping(value, "")
    decode.schema(source, "", _SCHEMA)
    programs = {name: _decoded(source.get(name), name) for name in _PROGRAMS}
    failed = _decoded(source.get("failed"), "failed")
    why = decode.string(source["failed"].get("why", ""), "failed.why", LONGEST_WHY) if failed else ""
    starts = decode.integer(source.get("starts", 0), "starts", 0, MOST_STARTS)
    return Record(**programs, starts=starts, failed=Failure(failed, why) if failed else None)


_PROGRAMS = ("installed", "current", "previous", "trial")


def _encoded(program: Program) -> dict[str, str]:
    return program._asdict()


def _decoded(value: object, where: str) -> Program | None:
    if value is None:
        return None
    source = decode.mapping(value, where)
    return Program(
        decode.name(decode.required(source, "version", where), f"{where}.version"),
        decode.sha256(decode.required(source, "sha256", where), f"{where}.sha256"),
    )


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with; none for one that begins with no number."""
    found = _RELEASE.match(version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
