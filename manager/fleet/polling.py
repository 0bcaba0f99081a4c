"""Polls every node again and again, many at once but not too many; keeps what is known of each, and its history."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from hopmap.client import Endpoint
from hopmap.errors import one_line
from hopmap.logs import event
from manager.fleet import asking
from manager.fleet.core import condition as conditions
from manager.fleet.core import reading as readings
from manager.fleet.core.condition import Condition, Wanted
from manager.fleet.core.destination import Destination
from manager.fleet.core.node import Node
from manager.fleet.core.reading import Reading
from manager.fleet.core.turns import SECONDS, Turns
from manager.fleet.history_store import Found, HistoryStore
from manager.fleet.line import Line
from manager.fleet.registry import Registry, place_of

AT_ONCE = 32
_WRITE_SECONDS = 5.0
_TRIM_SECONDS = 600.0
_MOST_UNWRITTEN = 20_000
_log = logging.getLogger(__name__)


class Known(NamedTuple):
    """What is known of a node: how it is, its last good reading, the last poll, when it was heard last (0: never)."""

    condition: Condition = Condition()
    reading: Reading | None = None
    last: Reading | None = None
    seen: float = 0.0


class Changed(NamedTuple):
    """A node's state has changed in a way that people are told of."""

    node: Node
    before: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds since 1970, and seconds that never step."""

    now: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic

    def wall(self, moment: float) -> float:
        """Seconds since 1970 at a steady moment."""
        return self.now() - (self.steady() - moment)


@dataclass(slots=True)
class Counts:
    """Polls that were good and not, turns that waited because all hands were full."""

    good: int = 0
    bad: int = 0
    late: int = 0


class Polling:
    """Asks the nodes of a registry. `wanted` tells the orders in force; `told` is called with changes of state."""

    def __init__(
        self,
        registry: Registry,
        store: HistoryStore,
        line: Line,
        wanted: Callable[[], Wanted],
        told: Callable[[Changed], None],
        *,
        clocks: Clocks | None = None,
        seconds: float = SECONDS,
        rng: Random | None = None,
    ) -> None:
        self._registry, self._store, self._line = registry, store, line
        self._wanted, self._told = wanted, told
        self._clocks = clocks or Clocks()
        self._seconds = seconds
        self._turns = Turns((rng or Random()).random, seconds)  # noqa: S311 - it spreads polls, no secret
        self._known = {node: Known(condition, seen=seen) for node, (condition, seen) in store.lasts().items()}
        self._unwritten: list[Found] = []
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._ending, self._changed = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, "poll")
        self._threads = [
            threading.Thread(target=self._run, name="polling", daemon=True),
            threading.Thread(target=self._write_on, name="fleet-history", daemon=True),
        ]
        self.counts = Counts()
        registry.on_change(self._changed.set)
        self._changed.set()

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask no more; waits for what is out, and writes it down."""
        self._ending.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * asking.POLL_SECONDS)
        self._pool.shutdown(cancel_futures=True)
        self._write()

    def known(self) -> Mapping[str, Known]:
        """What is known of each node, by id."""
        with self._lock:
            return dict(self._known)

    def soon(self, node_id: str) -> None:
        """Ask a node at once."""
        with self._lock:
            self._turns.soon(node_id, self._clocks.steady())

    def heard(self, node: Node, reading: Reading) -> None:
        """A poll's reading, or what a node that can't be reached told of itself."""
        now = self._clocks.now()
        wanted = self._wanted()
        judged = conditions.judge(node.kind, reading, wanted, now)
        good = not (reading.silent or reading.odd)
        with self._lock:
            before = self._known.get(node.id, Known())
            condition = conditions.after(before.condition, judged, now)
            gains = readings.gained(before.reading.numbers, reading.numbers) if good and before.reading else {}
            seen = before.seen if reading.silent else now
            self._known[node.id] = Known(condition, reading if good else before.reading, reading, seen)
            found = Found(node.id, now, judged.state in {conditions.OK, conditions.LAGGING}, gains, condition, seen)
            if len(self._unwritten) < _MOST_UNWRITTEN:
                self._unwritten.append(found)
            self.counts.good += good
            self.counts.bad += not good
        if conditions.is_alarm(before.condition.state, condition.state):
            self._told(Changed(node, before.condition.state, condition))

    def ask(self, node_id: str) -> None:
        """One poll of a node, if it is there and to be watched."""
        node = self._registry.get(node_id)
        if node is None or not node.watched:
            return
        to = place_of(node)
        if to is not None:
            self.heard(node, self._look(node, to))
        elif self._clocks.now() - self.known().get(node_id, Known()).seen > 1.5 * self._seconds:
            self.heard(node, Reading(silent="It has not reported."))

    def _look(self, node: Node, to: Destination | Endpoint) -> Reading:
        with self._lock:
            before = self._known.get(node.id, Known())
        restarted = before.last is not None and bool(before.last.silent or before.last.odd)
        return asking.look(self._line, node, to, None if restarted else before.reading, self._clocks.wall)

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._changed.is_set():
                self._changed.clear()
                self._follow()
            now = self._clocks.steady()
            with self._lock:
                free = AT_ONCE - len(self._busy)
                turns = [one for one in self._turns.take(now, free) if one not in self._busy]
                self._busy.update(turns)
                wait = self._turns.wait(now) if free else 0.1
                self.counts.late += not free
            for node in turns:
                self._pool.submit(self._serve, node)
            self._ending.wait(max(wait, 0.01))

    def _follow(self) -> None:
        asked = [node.id for node in self._registry.all() if node.watched]
        with self._lock:
            self._turns.follow(asked, self._clocks.steady())
            there = {node.id for node in self._registry.all()}
            for gone in [node for node in self._known if node not in there]:
                del self._known[gone]
            for node in self._registry.all():
                if not node.watched:
                    self._known[node.id] = Known(seen=self._known.get(node.id, Known()).seen)

    def _serve(self, node_id: str) -> None:
        try:
            self.ask(node_id)
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the polls of a node
            event(_log, logging.ERROR, "poll_failed", node=node_id, error=repr(error))
        finally:
            with self._lock:
                self._busy.discard(node_id)

    def _write_on(self) -> None:
        trimmed = float("-inf")
        while not self._ending.wait(_WRITE_SECONDS):
            self._write()
            if self._clocks.steady() - trimmed > _TRIM_SECONDS:
                trimmed = self._clocks.steady()
                try:
                    self._store.trim(self._clocks.now(), [node.id for node in self._registry.all()])
                except OSError as error:
                    event(_log, logging.ERROR, "history_not_trimmed", why=one_line(error))

    def _write(self) -> None:
        with self._lock:
            found, self._unwritten = self._unwritten, []
        try:
            self._store.keep(found)
        except OSError as error:
            event(_log, logging.ERROR, "history_not_kept", why=one_line(error), polls=len(found))
