"""What the fleet is told: the control document's settings and the list of opt-outs with its history. Pure.

A version is given once, to one content. What is found at an input and this manager does not know of (it was put back
to an older state, or somebody else wrote there) only ever makes the orders more cautious.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hopmap import addresses
from hopmap.wire.control import MAX_OPT_OUTS, MAX_PAUSED, Control, OptOut, OptOutDelta

FURTHEST = 1_000_000  # no manager is so many versions behind: who claims that is not followed
RATES = ("packets_per_second", "per_prefix_per_second", "per_router_per_second")


class NotPossible(ValueError):
    """A change that can't be made; the text says why."""


class Entry(NamedTuple):
    """An opt-out and the version that listed it, or took it off the list."""

    opt_out: OptOut
    version: int
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Orders:
    """What holds for the whole fleet. `entries` are by prefix, those taken off the list included."""

    version: int = 0
    stop: bool = False
    paused: frozenset[str] = frozenset()
    rates: Mapping[str, float] = field(default_factory=dict)
    agent_version: str | None = None
    agent_sha256: str | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def opt_outs(self) -> list[OptOut]:
        """Those on the list, in the order in which they came."""
        return [entry.opt_out for entry in self.entries.values() if entry.listed]


class Change(NamedTuple):
    """What is to be different; None and empty leave things as they are.

    An agent version of "" wants none; one without the SHA-256 of its file is shown and fetched by nobody.
    """

    stop: bool | None = None
    pause: frozenset[str] = frozenset()
    resume: frozenset[str] = frozenset()
    rates: Mapping[str, float] | None = None
    agent_version: str | None = None
    agent_sha256: str | None = None
    opt_out: tuple[OptOut, ...] = ()
    opt_in: tuple[str, ...] = ()


def after(orders: Orders, change: Change, version: int) -> Orders:
    """The orders after a change, under a version that must be newer; NotPossible when a bound is reached."""
    if version <= orders.version:
        raise NotPossible(f"version {version} is not newer than {orders.version}")
    paused = (orders.paused | change.pause) - change.resume
    if len(paused) > MAX_PAUSED:
        raise NotPossible(f"at most {MAX_PAUSED} agents can be paused one by one; stop all of them instead")
    wanted = (orders.agent_version, orders.agent_sha256)
    if change.agent_version is not None:
        wanted = (change.agent_version, change.agent_sha256) if change.agent_version else (None, None)
    return replace(
        orders,
        version=version,
        stop=orders.stop if change.stop is None else change.stop,
        paused=paused,
        rates=dict(orders.rates if change.rates is None else change.rates),
        agent_version=wanted[0],
        agent_sha256=wanted[1],
        entries=_entries(orders.entries, change, version),
    )


def changes_nothing(orders: Orders, change: Change) -> bool:
    """Whether the orders hold already."""
    then = after(orders, change, orders.version + 1)
    return replace(then, version=orders.version, entries={}) == replace(orders, entries={}) and all(
        then.entries[prefix].version <= orders.version for prefix in then.entries
    )


def _entries(entries: Mapping[str, Entry], change: Change, version: int) -> dict[str, Entry]:
    found = dict(entries)
    for one in change.opt_out:
        prefix = canonical(one.prefix)
        if prefix not in found or not found[prefix].listed:
            found[prefix] = Entry(replace(one, prefix=prefix), version)
    for text in change.opt_in:
        prefix = canonical(text)
        if prefix in found and found[prefix].listed:
            found[prefix] = Entry(found[prefix].opt_out, version, listed=False)
    listed = sum(entry.listed for entry in found.values())
    if max(listed, len(found) - listed) > MAX_OPT_OUTS:
        raise NotPossible(f"at most {MAX_OPT_OUTS} opt-outs can be listed: join neighbours into wider prefixes")
    return found


def covering(orders: Orders, address: str) -> Iterator[OptOut]:
    """The entries of the list that hold an address, the narrowest first. ValueError for what is none."""
    number = addresses.number(address)
    for length in range(32, -1, -1):
        entry = orders.entries.get(addresses.prefix_text(number, length))
        if entry is not None and entry.listed:
            yield entry.opt_out


def canonical(prefix: str) -> str:
    """The one text of a prefix; a bare address is a /32. ValueError for what is none."""
    return addresses.prefix_text(*addresses.prefix(prefix))


def document(orders: Orders, since: int = 0) -> Control:
    """The control document for who has version `since` of it (0: nothing, or something else)."""
    changed = [entry for entry in orders.entries.values() if entry.version > since]
    return Control(
        version=orders.version,
        stop=orders.stop,
        paused=tuple(sorted(orders.paused)),
        rates=dict(orders.rates),
        opt_outs=OptOutDelta(
            since,
            tuple(entry.opt_out for entry in changed if entry.listed),
            tuple(entry.opt_out.prefix for entry in changed if not entry.listed),
        ),
        agent_version=orders.agent_version,
        agent_sha256=orders.agent_sha256,
    )


def holds(orders: Orders, found: Control) -> bool:
    """Whether a document found somewhere is what we say: version, settings, and nothing of our list missing."""
    theirs = {canonical(one.prefix) for one in found.opt_outs.added}
    return _same(orders, found) and theirs.issuperset(one.prefix for one in orders.opt_outs)


def is_foreign(orders: Orders, given: Orders | None, found: Control) -> bool:
    """Whether somebody else wrote it, or we did and have forgotten. `given` is what we gave under its version."""
    if found.version == 0:
        return False
    if given is None or not _same(given, found):
        return True
    return found.version == orders.version and not holds(orders, found)


def is_credible(orders: Orders, found: Control) -> bool:
    """Whether its version can have come about."""
    return found.version <= orders.version + FURTHEST


def caution(orders: Orders, found: Control) -> Change:
    """What is adopted of a foreign document: whatever makes us probe less, nothing that makes us probe more.

    Where a newer one wants another version of the agent than we do, nobody's is wanted.
    """
    newer = found.version > orders.version
    ours, theirs = (orders.agent_version, orders.agent_sha256), (found.agent_version, found.agent_sha256)
    lower = dict(orders.rates)
    for name, rate in found.rates.items():
        lower[name] = min(rate, lower.get(name, rate))
    known = {prefix for prefix, entry in orders.entries.items() if entry.listed}
    return Change(
        stop=True if found.stop else None,
        pause=frozenset(found.paused),
        rates=lower,
        agent_version="" if newer and ours not in {(None, None), theirs} else None,
        opt_out=tuple(one for one in found.opt_outs.added if canonical(one.prefix) not in known),
    )


def _same(orders: Orders, found: Control) -> bool:
    """Whether the settings are equal; an input of an older version passes the digest over."""
    return _settings(document(orders)) == _settings(found) and found.agent_sha256 in {None, orders.agent_sha256}


def _settings(control: Control) -> tuple[object, ...]:
    rates = {name: float(rate) for name, rate in control.rates.items()}
    return control.version, control.stop, frozenset(control.paused), rates, control.agent_version
