"""All that an input service knows: prefixes, single addresses, opt-outs, control, and where each consumer is.

Pure: time comes in as unix seconds. What changes it answers with the record that repeats the change
(`replay.apply`), so that a log of records is the state.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.wire.control import Control, OptOut, encode_control
from hopmap.wire.feedback import Feedback, HopReport
from hopmap.wire.result import parse_id
from services.input.core import backoff
from services.input.core.growth import Caps, Growth
from services.input.core.guard import Guard
from services.input.core.known import HOP, SEED, Known, Origin, Words
from services.input.core.meter import Meter
from services.input.core.passed import Passed
from services.input.core.prefixes import Prefixes
from services.input.core.rotation import Cursor

Record = dict[str, Any]
REFUSALS = ("private", "opt-out", "cap-hour", "cap-prefix", "cap-source", "full")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and paces of a frontier; times in seconds."""

    caps: Caps = field(default_factory=Caps)
    hops: int = 4_000_000
    consumers: int = 20_000
    cycle_seconds: int = 600
    idle_seconds: int = 30
    interleave: int = 1
    block: int = 64
    hints: int = 20_000  # /24s whose interfaces are kept
    lazy_levels: int = 250_000


class Learnt(NamedTuple):
    """What became of hops, and the record of it (None when nothing changed)."""

    new: int
    known: int
    refused: dict[str, int]
    record: Record | None


class Judged(NamedTuple):
    """How many targets of a feedback were known, and its record."""

    known: int
    unknown: int
    record: Record | None


class Stale(Exception):
    """A control document that does not follow the one in force; `version` is the one in force."""

    def __init__(self, version: int, why: str) -> None:
        self.version = version
        super().__init__(why)


class NewPrefix(NamedTuple):
    """A prefix to take in: a lazy one brings its addresses as targets, another only labels those within it."""

    network: int
    length: int
    provider: str = ""
    region: str = ""
    lazy: bool = True


@dataclass(slots=True)
class Frontier:
    """The state. `seed` keys every order; `generation` names this state to the outputs."""

    generation: str
    seed: int
    limits: Limits = Limits()
    prefixes: Prefixes = field(default_factory=Prefixes)
    known: Known = field(default_factory=Known)
    labels: Words = field(default_factory=Words)
    guard: Guard = field(default_factory=Guard)
    control: Control = field(default_factory=Control)
    cursors: "OrderedDict[str, Cursor]" = field(default_factory=OrderedDict)
    outcomes: "Counter[str]" = field(default_factory=Counter)
    refused: "Counter[str]" = field(default_factory=Counter)
    hops: int = 0
    served: int = 0
    cycles: int = 0
    expanded: int = 0
    handed_out: Meter = field(default_factory=Meter)
    discovered: Meter = field(default_factory=Meter)
    passed: Passed = field(init=False)
    growth: Growth = field(init=False)
    lazy_levels: backoff.LazyLevels = field(init=False)
    _lazy_count: tuple[int, int] = (0, 0)  # of how many prefixes, and what they bring that is not known singly

    def __post_init__(self) -> None:
        self.passed = Passed(self.limits.hints)
        self.growth = Growth(self.limits.caps)
        self.lazy_levels = backoff.LazyLevels(self.limits.lazy_levels)

    def add_prefixes(self, given: Iterable[NewPrefix]) -> list[NewPrefix]:
        """Take prefixes in; those that were new."""
        return [one for one in given if self._add_prefix(one)]

    def add(self, address: int, origin: Origin) -> bool:
        """Take a single address in; False when it is known. The caller has asked `refusal`."""
        if self.prefixes.serves(address):
            return False
        widest = self.prefixes.widest(address)
        if not self.known.add(address, origin, widest[:2] if widest else None):
            return False
        self.hops += origin.kind == HOP
        return True

    def add_seeds(self, given: Iterable[tuple[int, str, str]], now: int) -> list[tuple[int, Origin]]:
        """Take (address, provider, region) in as seeds; those that were new."""
        rows = [(address, Origin(SEED, provider, region, at=now)) for address, provider, region in given]
        return [(address, origin) for address, origin in rows if self._may_add(address) and self.add(address, origin)]

    def learn(self, hops: Sequence[HopReport], now: int) -> Learnt:
        """Take routers in that were seen on the way to somewhere."""
        rows: list[list[object]] = []
        refused: Counter[str] = Counter(private=0)
        known = 0
        for hop in hops:
            address = addresses.number(hop.address)
            if self.is_known(address):
                known += 1
            elif reason := self._refusal(address, hop.seen_by or "", now):
                refused[reason] += 1
            else:
                origin = _hop_origin(hop, now)
                self.add(address, origin)
                self.growth.count_last(self.known)
                rows.append(row_of(address, origin))
        self.refused.update(refused)
        self.discovered.count(len(rows), now)
        return Learnt(len(rows), known, dict(refused), {"record": "found", "rows": rows} if rows else None)

    def is_known(self, address: int) -> bool:
        """Whether an address is a target already."""
        return self.known.place(address) >= 0 or self.prefixes.serves(address)

    def address_count(self) -> int:
        """How many different addresses are targets, or would be but for the guard."""
        if self._lazy_count[0] != len(self.prefixes):
            sources = list(self.prefixes.sources())
            both = sum(self.known.count_between(first, first + size - 1) for first, size in sources if size)
            self._lazy_count = len(self.prefixes), sum(size for _, size in sources) - both
        return self._lazy_count[1] + len(self.known)

    def judge(self, feedback: Sequence[Feedback], now: int) -> Judged:
        """Take in what came of targets: it sets how often they are asked, and the hints given with them."""
        rows = [
            [one.target, one.outcome, list(one.interfaces)]
            for one in feedback
            if self.is_known(addresses.number(one.target))
        ]
        self.outcomes.update(str(row[1]) for row in rows)
        for target, outcome, interfaces in rows:
            self.take_outcome(addresses.number(str(target)), str(outcome), list(interfaces), now)
        record = {"record": "feedback", "at": now, "rows": rows} if rows else None
        return Judged(len(rows), len(feedback) - len(rows), record)

    def take_outcome(self, address: int, outcome: str, interfaces: Sequence[str], now: int) -> None:
        """One target's outcome; `interfaces` are those near it, nearest first."""
        level, judged = backoff.judge(*self.level(address), outcome, now, self.limits.cycle_seconds)
        self.set_level(address, level, judged)
        if interfaces:
            self.passed.tell(address, [addresses.number(text) for text in interfaces])

    def level(self, address: int) -> tuple[int, int]:
        """(back-off level, when it was judged) of a target."""
        row = self.known.place(address)
        return self.lazy_levels.get(address) if row < 0 else (self.known.levels[row], self.known.judged[row])

    def set_level(self, address: int, level: int, judged: int) -> None:
        """Set a target's back-off."""
        row = self.known.place(address)
        if row < 0:
            self.lazy_levels.put(address, level, judged)
        else:
            self.known.levels[row], self.known.judged[row] = level, judged

    def steer(self, document: Control) -> Record | None:
        """Put a control document in force; None when it is in force already. Stale when it does not follow."""
        now = self.control.version
        if document.version == now and encode_control(document) == encode_control(self.control):
            return None
        if document.version <= now:
            raise Stale(now, f"version {document.version} is not newer than {now}, which is in force")
        if document.opt_outs.since > now:
            raise Stale(now, f"its opt-outs begin after version {document.opt_outs.since}, but {now} is in force")
        if not self.guard.room_for(document.opt_outs.added):
            raise Stale(now, "there is no room for that many opt-outs")
        self.take_control(document)
        return {"record": "control", "document": encode_control(document)}

    def take_control(self, document: Control) -> None:
        """Put a document in force without asking."""
        self.control = document
        self.guard.change(document.opt_outs.added, document.opt_outs.removed, document.version)

    def put_cursor(self, cursor: Cursor) -> None:
        """Keep a consumer's cursor as the most recent; the one longest unseen makes room."""
        self.cursors[cursor.name] = cursor
        self.cursors.move_to_end(cursor.name)
        if len(self.cursors) > self.limits.consumers:
            self.cursors.popitem(last=False)

    def file_opt_outs(self, opt_outs: Iterable[OptOut]) -> None:
        """Take the operator's opt-out file, over the one before."""
        self.guard.file(opt_outs)

    def recall_growth(self, now: int) -> None:
        """After a restart: count the hops of the last hour again, so that the caps hold across it."""
        self.growth.recall(self.known, now)

    def _add_prefix(self, one: NewPrefix) -> bool:
        label = self.labels.number(f"{one.provider}\t{one.region}")
        return self.prefixes.add(one.network, one.length, label, len(self.known), lazy=one.lazy)

    def _may_add(self, address: int) -> bool:
        return len(self.known) < self.limits.hops and self.guard.refusal(address) is None

    def _refusal(self, address: int, source: str, now: int) -> str | None:
        if reason := self.guard.refusal(address):
            return reason
        return "full" if len(self.known) >= self.limits.hops else self.growth.refusal(self.known, address, source, now)


def row_of(address: int, origin: Origin) -> list[object]:
    """A single address as the row of a record."""
    result = f"{origin.spool}:{origin.sequence}" if origin.spool else None
    toward = addresses.text(origin.toward) if origin.toward else None
    return [addresses.text(address), origin.kind, origin.first, origin.second, toward, result, origin.at]


def _hop_origin(hop: HopReport, now: int) -> Origin:
    toward = addresses.number(hop.toward) if hop.toward else 0
    if hop.result is None:
        return Origin(HOP, hop.seen_by or "", toward=toward, at=now)
    agent, spool, sequence = parse_id(hop.result)
    return Origin(HOP, hop.seen_by or "", "", toward, f"{agent}:{spool}", sequence, now)
