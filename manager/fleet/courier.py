"""Carries the control document to an input until it is in force there, and notices when it is no more."""

import http
import logging
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from hopmap.client import Endpoint
from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.control import Control, decode_control, encode_control
from hopmap.wire.decode import WireError
from manager.fleet.control import Steering
from manager.fleet.core.destination import Destination, Refused
from manager.fleet.core.orders import NotPossible
from manager.fleet.line import Answer, Line

LOOK_SECONDS = 15.0
RETRY_SECONDS = (0.5, 1.0, 2.0, 3.0)
_MOST_TRIES = 4
_RIVAL_SECONDS = 3600.0  # how long another writer is told of
_LARGEST = 16 << 20
_log = logging.getLogger(__name__)


class To(NamedTuple):
    """An input: how the manager names it, where it is, its token."""

    node: str
    where: Destination | Endpoint
    token: str = ""


class Standing(NamedTuple):
    """The version in force there as far as we know (0: none of ours), and what went wrong last, empty for nothing.

    `foreign` counts the documents of another writer that were found in the place of ours since the start.
    """

    version: int = 0
    problem: str = ""
    foreign: int = 0


class NotTaken(Exception):
    """The input answered, and did not take it; the text says why."""


class Courier:
    """One input. `deliver` is one visit; `run` visits until `close`, at once after a change."""

    def __init__(self, steering: Steering, line: Line, to: To, seconds: float = 5.0) -> None:
        self.to = to
        self._steering, self._line, self._seconds = steering, line, seconds
        self._version, self._tag = steering.store.told(to.node)
        self._failures = 0
        self._seen = ""
        self._foreign, self._foreign_at = 0, 0.0
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"control {to.node}", daemon=True)
        self.standing = Standing()

    def start(self) -> None:
        """Begin to visit."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to tell."""
        self._wake.set()

    def close(self) -> None:
        """Visit no more; a visit that goes on ends within its time."""
        self._ending.set()
        self._wake.set()

    def join(self) -> None:
        """Wait for the last visit."""
        if self.is_visiting:
            self._thread.join(self._seconds * _MOST_TRIES)

    @property
    def is_visiting(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def visit(self) -> float:
        """One visit; how long to wait before the next, unless there is news."""
        try:
            self.deliver()
        except (OSError, Refused, NotTaken, WireError) as error:  # Silent, or a disk that takes nothing
            why = one_line(error)
            if self.standing.problem != why:
                event(_log, logging.WARNING, "control_not_told", input=self.to.node, why=why)
            self.standing = Standing(self.standing.version, why, self._foreign)
            self._failures += 1
            return RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS)) - 1]
        self._failures = 0
        return LOOK_SECONDS

    def deliver(self) -> None:
        """See to it that our document is in force there. Silent, Refused, NotTaken, WireError; OSError of the disk."""
        for _ in range(_MOST_TRIES):
            found = self._in_force()
            if found is not None and self._steering.is_overtaken(found):
                raise NotTaken("another manager leads: it has told it orders of a later epoch")
            if found is not None and self._steering.is_foreign(found):
                self._adopt(found)
            version = self._steering.orders.version
            if (self._version if found is None else found.version) == version:
                self._acknowledged(version, fresh=found is not None)
                return
            self._put(self._version if found is None else 0)
        raise NotTaken("it does not take the control document, or another writer changes it all the time")

    def _in_force(self) -> Control | None:
        """What is in force there, with the whole list; None when it is what it acknowledged last."""
        headers = {"If-None-Match": self._tag} if self._tag else {}
        answer = self._ask("GET", None, headers)
        if answer.status == http.HTTPStatus.NOT_MODIFIED and self._tag:
            return None
        self._expect_ok(answer)
        self._seen = answer.headers.get("etag", "")
        return decode_control(decode.parse(answer.body))

    def _adopt(self, found: Control) -> None:
        ours = self._steering.orders.version
        if self.standing.version and found.version > ours:  # ours was in force here, and it is newer
            self._foreign += 1
            self._foreign_at = time.monotonic()
        event(_log, logging.WARNING, "control_found", input=self.to.node, version=found.version, ours=ours)
        try:
            self._steering.adopt(self.to.node, found)
        except NotPossible as error:
            raise NotTaken(str(error)) from error

    def _acknowledged(self, version: int, *, fresh: bool) -> None:
        if fresh:
            self._version, self._tag = version, self._seen
            self._steering.store.keep_told(self.to.node, version, self._seen)
        self.standing = Standing(version, self._rivalry(), self._foreign)

    def _rivalry(self) -> str:
        if not self._foreign or time.monotonic() - self._foreign_at > _RIVAL_SECONDS:
            return ""
        return "another manager steers it too, and the more cautious of both holds: name this input to one of them only"

    def _put(self, since: int) -> None:
        if not self._steering.may_tell():
            raise NotTaken("this manager can't see that it leads: it tells nothing")
        body = decode.dump(encode_control(self._steering.document(since)))
        answer = self._ask("PUT", body, {"Content-Type": "application/json"})
        if answer.status == http.HTTPStatus.CONFLICT:  # it has changed since we looked: look again
            self._tag = ""
            return
        self._expect_ok(answer)
        self._tag = ""  # the next look brings the tag of what is in force now

    def _expect_ok(self, answer: Answer) -> None:
        if answer.status in {http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN}:
            raise NotTaken("it refuses the token: give it one with the scopes agent and admin")
        if answer.status != http.HTTPStatus.OK:
            raise NotTaken(f"it answered {answer.status}")

    def _ask(self, method: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        return self._line.request(
            self.to.where, method, "/control", body, headers, token=self.to.token, seconds=self._seconds, limit=_LARGEST
        )

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            wait = self.visit()
            self._wake.wait(wait)


class Couriers:
    """One for each input that there is; they are told of every change at once."""

    def __init__(self, steering: Steering, line: Line) -> None:
        self._steering, self._line = steering, line
        self._of: dict[str, Courier] = {}
        self._leaving: list[Courier] = []  # closed, perhaps within their last visit
        self._lock = threading.Lock()
        steering.on_change(self.wake)

    def serve(self, inputs: Iterable[To]) -> None:
        """These are the inputs from now on."""
        wanted = {to.node: to for to in inputs}
        with self._lock:
            gone = [one for node, one in self._of.items() if wanted.get(node) != one.to]
            self._leaving = [one for one in self._leaving if one.is_visiting] + gone
            for courier in gone:
                del self._of[courier.to.node]
                courier.close()
                if courier.to.node not in wanted:
                    self._steering.store.forget(courier.to.node)
            for node, to in wanted.items():
                if node not in self._of:
                    self._of[node] = Courier(self._steering, self._line, to)
                    self._of[node].start()

    def wake(self) -> None:
        """Tell all of them that there is news."""
        with self._lock:
            for courier in self._of.values():
                courier.wake()

    @property
    def standings(self) -> dict[str, Standing]:
        """What is known of each input."""
        with self._lock:
            return {node: courier.standing for node, courier in self._of.items()}

    def close(self) -> None:
        """Visit no more; waits for visits that go on."""
        with self._lock:
            leaving = [*self._leaving, *self._of.values()]
        for courier in leaving:
            courier.close()
        for courier in leaving:
            courier.join()
