"""Who leads: what a manager that stands by, and one that leads, make of each look at the name. Pure.

The DNS name is the lease: who holds it leads. A leader that can't see any more that it does, stops before another can
have waited long enough to take over; one that hears of a higher epoch stops at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from manager.dyfi.core.moment import Moment, elapsed
from manager.dyfi.core.schedule import SPACING
from manager.failover.core import epoch as epochs
from manager.failover.core.word import Word


@dataclass(frozen=True, slots=True)
class Rules:
    """Who this is among the managers of a name, how often it looks, and how many looks in vain make a leader gone."""

    id: str
    rank: int
    seconds: float = 20.0
    misses: int = 4

    @property
    def lapse(self) -> float:
        """Seconds for which a leader goes on without having seen that it leads: less than others wait for."""
        return (self.misses - 1) * self.seconds

    def delay(self, chance: float) -> float:
        """Seconds that are waited beyond the last look in vain, so that managers come one after the other."""
        return 1.5 * self.seconds * self.rank + 0.75 * self.seconds * chance


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept over restarts: the highest epoch known, the last that this one led, when it last saw that it did."""

    epoch: int = 0
    led: int = 0
    confirmed: Moment | None = None


class Look(NamedTuple):
    """One look: when; who answered under the name; the name's addresses; the own one; whether the internet is there.

    Who is cut off may still hear itself, where its resolver remembers the name. The last two are looked at when
    they matter, else empty.
    """

    at: Moment
    heard: Word | None = None
    name: Sequence[str] = ()
    own: str = ""
    online: bool = False


@dataclass(frozen=True, slots=True)
class Standby:
    """A manager that stands by: looks in vain in a row, when it may take over after them, whom it heard last."""

    misses: int = 0
    since: Moment | None = None
    wait: float = 0.0
    leader: Word | None = None


@dataclass(frozen=True, slots=True)
class Reign:
    """A manager that leads: its epoch, when it last saw that it does, when dy.fi last gave it the name."""

    epoch: int
    confirmed: Moment
    granted: Moment | None = None


def resumes(memory: Memory, rules: Rules, now: Moment) -> bool:
    """Whether a manager that was restarted leads on: nobody can have taken over in so short a time."""
    known = memory.led > 0 and memory.led == memory.epoch and memory.confirmed is not None
    return known and memory.confirmed is not None and elapsed(memory.confirmed, now) < rules.lapse


def stood_by(standby: Standby, memory: Memory, look: Look, rules: Rules, chance: float) -> tuple[Standby, Memory]:
    """After a look of a manager that stands by."""
    heard = look.heard
    if heard is not None and leads(heard, memory, rules):
        return Standby(leader=heard), replace(memory, epoch=max(memory.epoch, heard.epoch))
    misses = standby.misses + 1
    if misses < needed(memory, rules):
        return replace(standby, misses=misses), memory
    since, wait = (standby.since, standby.wait) if standby.since else (look.at, rules.delay(chance))
    return replace(standby, misses=misses, since=since, wait=wait), memory


def leads(heard: Word, memory: Memory, rules: Rules) -> bool:
    """Whether this is a leader that works, and none that was overtaken."""
    return heard.leads and heard.ready and heard.id != rules.id and heard.epoch >= memory.epoch


def moved(before: Sequence[str], name: Sequence[str], own: str) -> bool:
    """Whether somebody else has moved the name between two looks: dy.fi was asked then, even if nobody says so."""
    return bool(before) and bool(name) and set(before) != set(name) and own not in name


def needed(memory: Memory, rules: Rules) -> int:
    """Looks in vain until a leader is gone; the first manager of all needs to wait for nobody."""
    return 1 if memory.epoch == 0 and rules.rank == 0 else rules.misses


def obstacle(standby: Standby, memory: Memory, look: Look, *, may_ask: bool) -> str:
    """Why this manager must not take over now; empty when it should. `may_ask` is whether dy.fi may be asked now."""
    if standby.since is None:
        return "the leader has not been gone for long enough"
    if elapsed(standby.since, look.at) < standby.wait:
        return "others come first"
    if not look.online or not look.own:
        return "this manager is cut off from the internet itself"
    if look.own in look.name:
        mine = memory.led > 0 and memory.led == memory.epoch
        return "" if mine else "the name has this manager's own address already: DNS can't choose between the two"
    return "" if may_ask else "dy.fi was asked less than ten minutes ago, or refuses"


def taken_over(memory: Memory, rules: Rules, now: Moment) -> tuple[Reign, Memory]:
    """A new epoch begins: keep the memory on disk before anything is done in it."""
    epoch = epochs.following(memory.epoch, rules.rank)
    return Reign(epoch, now), Memory(epoch, epoch, now)


def reigned(reign: Reign, look: Look, rules: Rules) -> tuple[Reign, str]:
    """After a look of the leader; with why it must step down, or nothing."""
    heard = look.heard
    if heard is not None and overtaken(reign, heard):
        return reign, f"{heard.id} leads in a later epoch"
    itself = heard is not None and heard.id == rules.id
    granted = reign.granted is not None and elapsed(reign.granted, look.at) < SPACING
    if look.online and (itself or granted or (bool(look.own) and look.own in look.name)):
        return replace(reign, confirmed=look.at), ""
    return reign, "" if holds(reign, rules, look.at) else "it can't see that the name leads here"


def overtaken(reign: Reign, heard: Word) -> bool:
    """Whether another leads in a later epoch."""
    return heard.leads and heard.epoch > reign.epoch


def holds(reign: Reign, rules: Rules, now: Moment) -> bool:
    """Whether a leader may write: it saw not long ago that it leads."""
    return elapsed(reign.confirmed, now) < rules.lapse
