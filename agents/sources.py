"""Where targets come from: an input service over HTTP, or a file of addresses."""

import http
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO

from agents.core.near import Neighbours
from hopmap import addresses
from hopmap.client import Client, Response, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.near import HEADER, SHARE_HEADER
from hopmap.wire.target import Target, decode_passed, decode_targets

FILE_LEASE = 3_600.0  # nobody leases what a file says; so that nothing old lies about, it too runs out
_MAX_ANSWER = 2 << 20
_LONGEST_LINE = 256
_ANSWERS = frozenset({http.HTTPStatus.OK, http.HTTPStatus.NO_CONTENT})


class Lease(NamedTuple):
    """A target (u32) to probe before `expires`, in steady seconds, with `packets` to its /24 at most (0: no word).

    `passed` are digests of interfaces that others passed on the way to it (hopmap.wire.target).
    """

    address: int
    expires: float
    packets: int = 0
    passed: bytes = b""


class Supply(NamedTuple):
    """What a source gave; with nothing due, how long to wait (None: as usual). `bad` counts unusable lines.

    `more` is true when some wait for room at their networks.
    """

    leases: list[Lease]
    wait: float | None = None
    bad: int = 0
    more: bool = False


class SourceDown(Exception):
    """Nothing to be had there now; perhaps when to come back."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class Source(Protocol):
    """Gives targets. An empty supply means that nothing more is due for now."""

    def take(self, count: int) -> Supply:
        """Up to `count` targets; SourceDown when they can't be had."""


class HttpSource:
    """An input service. It is told what stands near, and tells how many share it."""

    def __init__(self, client: Client, steady: Callable[[], float], near: Neighbours) -> None:
        self._client = client
        self._steady = steady
        self._near = near

    def take(self, count: int) -> Supply:
        """`GET /?count=N`. Leases run from the moment of asking, so that a slow line makes none longer."""
        asked = self._steady()
        path = f"{self._client.endpoint.path}?count={count}"
        headers, near = {"Accept": "application/json"}, self._near.told(asked)
        if near is not None:
            headers[HEADER] = near
        try:
            answer = self._client.request("GET", path, headers=headers, limit=_MAX_ANSWER)
        except Unreachable as error:
            raise SourceDown(one_line(error)) from error
        if near is not None and answer.status in _ANSWERS:
            self._near.heard(answer.headers.get(SHARE_HEADER.lower()))
        if answer.status == http.HTTPStatus.NO_CONTENT:
            return Supply([], answer.retry_after, more="x-targets-waiting" in answer.headers)
        if answer.status != http.HTTPStatus.OK:
            raise SourceDown(refusal(self._client.endpoint.url, answer), answer.retry_after)
        try:
            targets = decode_targets(decode.parse(answer.body))
        except WireError as error:
            raise SourceDown(f"{self._client.endpoint.url} gave no targets: {error}") from error
        return Supply([_lease(one, asked) for one in targets])


def _lease(given: Target, asked: float) -> Lease:
    expires = asked + given.lease_seconds
    return Lease(addresses.number(given.address), expires, _packets(given.hints), decode_passed(given.hints))


def _packets(hints: Mapping[str, object]) -> int:
    given = hints.get("packets")
    return given if type(given) is int and given > 0 else 0


class FileSource:
    """A file with one address a line; `#` begins a comment. Read anew from the top when it has been read through."""

    def __init__(self, path: Path, steady: Callable[[], float]) -> None:
        self._path = path
        self._steady = steady
        self._lines: Iterator[str] | None = None
        self._open().close()

    def take(self, count: int) -> Supply:
        """The next lines; an empty supply at the end of the file, after which it begins again."""
        leases: list[Lease] = []
        bad = 0
        try:
            self._lines = self._lines or self._read()
            for line in self._lines:
                text = line.partition("#")[0].strip()
                if not text:
                    continue
                try:
                    leases.append(Lease(addresses.number(text), self._steady() + FILE_LEASE))
                except ValueError:
                    bad += 1
                if len(leases) == count:
                    return Supply(leases, bad=bad)
        except (OSError, UserError) as error:
            self._lines = None
            raise SourceDown(one_line(error)) from error
        if not leases:
            self._lines = None
        return Supply(leases, bad=bad)

    def _open(self) -> TextIO:
        try:
            return self._path.open(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(f"cannot read input_file {self._path}: {error.strerror}") from error

    def _read(self) -> Iterator[str]:
        with self._open() as file:
            while line := file.readline(_LONGEST_LINE):
                yield line


def refusal(url: str, answer: Response) -> str:
    """What a service said against a request, as a sentence."""
    said = problem(answer)
    return f"{url} answered {answer.status}" + (f": {said}" if said else "")


def problem(answer: Response) -> str | None:
    """The `detail` of an error of ours; None when the answer is not from one of our services."""
    try:
        body = decode.mapping(decode.parse(answer.body), "")
        return (
            decode.string(decode.required(body, "error", ""), "error", 200) + ": " + str(body.get("detail", ""))[:200]
        )
    except WireError:
        return None
