"""How a node is, out of one poll after another: what is seen once is told, what lasts is a state, a change alarms."""

from typing import NamedTuple

from manager.fleet.core.reading import Reading

ASKING, OK, LAGGING, FAILING, SILENT = "asking", "ok", "lagging", "failing", "silent"
BAD = (LAGGING, FAILING, SILENT)
# polls in a row that differ from the state before it becomes another: good news need two as well, so that a node that
# answers every other time does not alarm every other minute
_NEEDED = {OK: 2, LAGGING: 3, FAILING: 2, SILENT: 2}
MOST_WAITING = 5_000  # results in an agent's spool: more than an hour of a busy one
CLOCK_SECONDS = 5.0
_CONTROL_SECONDS = 120.0


class Judged(NamedTuple):
    """What one poll says, and why in a sentence."""

    state: str
    why: str = ""


class Condition(NamedTuple):
    """The state, since when (seconds since 1970), why; and how many polls in a row have said otherwise."""

    state: str = ASKING
    since: float = 0.0
    why: str = ""
    otherwise: int = 0


class Wanted(NamedTuple):
    """The control version that should be in force, and since when."""

    version: int
    since: float


def judge(kind: str, reading: Reading, wanted: Wanted, now: float) -> Judged:
    """What a poll says of a node. An agent that probes nothing because it was told so is well."""
    if reading.silent:
        return Judged(SILENT, reading.silent)
    if reading.odd:
        return Judged(FAILING, reading.odd)
    if reading.unready and not (kind == "agent" and reading.flags & {"halted", "quiet"}):
        return Judged(FAILING, reading.unready)
    return _lag(reading, wanted, now)


def _lag(reading: Reading, wanted: Wanted, now: float) -> Judged:
    if reading.offset is not None and abs(reading.offset) - reading.unsure > CLOCK_SECONDS:
        ahead = "ahead of" if reading.offset > 0 else "behind"
        return Judged(LAGGING, f"Its clock is {abs(reading.offset):.0f} s {ahead} ours.")
    waiting = reading.numbers.get("waiting", 0)
    if waiting > MOST_WAITING:
        return Judged(LAGGING, f"{waiting:,.0f} results wait to be handed in.")
    control = reading.numbers.get("control")
    if control is not None and control < wanted.version and now - wanted.since > _CONTROL_SECONDS:
        return Judged(LAGGING, f"It follows orders {control:.0f}, and {wanted.version} are in force.")
    if reading.stuck:
        return Judged(LAGGING, reading.stuck)
    return Judged(OK)


def after(condition: Condition, judged: Judged, now: float) -> Condition:
    """The condition after one more poll."""
    if judged.state == condition.state:
        return condition._replace(why=judged.why, otherwise=0)
    otherwise = condition.otherwise + 1
    needed = 1 if condition.state == ASKING and judged.state == OK else _NEEDED[judged.state]
    if otherwise < needed:
        return condition._replace(otherwise=otherwise)
    return Condition(judged.state, now, judged.why)


def is_alarm(before: str, after: str) -> bool:
    """Whether a change of state is told to people: into a bad state, or out of one."""
    return before != after and (after in BAD or before in BAD)
