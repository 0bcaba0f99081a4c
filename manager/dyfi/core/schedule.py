"""When dy.fi is asked for an update, and when never again. Pure: moments and chances in [0, 1) are handed in.

A name lasts 7 days; its admins want an update when the address changes, else every 5 to 6 days; many that change
nothing in a short time are abuse, and shut the account.
"""

from dataclasses import dataclass, replace

from manager.dyfi.core import answer as answers
from manager.dyfi.core.answer import Answer
from manager.dyfi.core.moment import Moment, elapsed

SPACING = 600.0  # seconds between two requests, whatever happens
DAY = 86_400.0
REFRESH = 5 * DAY
LASTS = 7 * DAY
UNTOLD = 3600.0
_FIRST_WAIT, _LONGEST_WAIT = 60.0, 3600.0
_UNCHANGED_WAIT = DAY / 2
_WORRYING_TRIES = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept: when it was asked last, and was good last; from which own address; what it holds by its word.

    `word` is the last answer; `tries` how many in a row were not good, `same` how many in a row changed nothing; `wait`
    the seconds from `asked` to the next request, `refresh` those from `ok` to one without need; `account` a
    mark of the settings that were used.
    """

    asked: Moment | None = None
    ok: Moment | None = None
    own: str = ""
    held: str = ""
    word: str = ""
    tries: int = 0
    same: int = 0
    wait: float = SPACING
    refresh: float = REFRESH
    account: str = ""


def due(standing: Standing, now: Moment, own: str, account: str) -> str:
    """Why dy.fi should be asked now (first, again, address, refresh), or nothing. `own` is empty when unknown."""
    if is_stopped(standing, account) or not may_ask(standing, now):
        return ""
    if standing.tries:
        return "again"
    if standing.ok is None:
        return "first"
    if own and own != standing.own:
        return "address"
    return "refresh" if elapsed(standing.ok, now) > standing.refresh else ""


def may_ask(standing: Standing, now: Moment) -> bool:
    """Whether the last request is long enough ago."""
    return standing.asked is None or elapsed(standing.asked, now) >= max(SPACING, standing.wait)


def is_stopped(standing: Standing, account: str) -> bool:
    """Whether the last answer was one after which these settings must not be used again."""
    return standing.word in answers.FINAL and standing.account == account


def begun(standing: Standing, now: Moment, account: str) -> Standing:
    """Before a request goes out: should no answer be seen, it counts as one that was not good."""
    return replace(standing, asked=now, word=answers.SILENT, tries=standing.tries + 1, account=account)


def after(standing: Standing, answer: Answer, now: Moment, own: str, chance: float) -> Standing:
    """After the answer to a request that was begun."""
    if answer.word in {answers.GOOD, answers.NOCHG}:
        same = standing.same + 1 if answer.word == answers.NOCHG else 0
        return replace(
            standing,
            ok=now,
            own=own,
            held=answer.address or own or standing.held,
            word=answer.word,
            tries=0,
            same=same,
            wait=SPACING if same < 2 else _UNCHANGED_WAIT,  # whoever tells us our address may be wrong, or lie
            refresh=REFRESH + chance * DAY,
        )
    if answer.word in answers.FINAL:
        return replace(standing, word=answer.word, wait=DAY if answer.word == answers.ABUSE else SPACING)
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(standing.tries - 1, 10))
    return replace(standing, word=answer.word, wait=max(SPACING, longest * (0.75 + chance / 2)))


def resumed(standing: Standing) -> Standing:
    """An operator says that what stopped it is mended; a wait that goes on is not cut short."""
    return replace(standing, account="")


def claimed(standing: Standing) -> Standing:
    """The name is to point here, and leads elsewhere now: the next request is due whatever was told before."""
    return replace(standing, ok=None, own="", held="", tries=0, same=0)


def noted(standing: Standing, asked: Moment, now: Moment) -> Standing:
    """Another manager of the same account asked then; the spacing holds for all of them together."""
    known = standing.asked
    if known is not None and elapsed(known, now) <= elapsed(asked, now):
        return standing
    return replace(standing, asked=asked)


def problem(standing: Standing, now: Moment, account: str, told: Moment | None = None) -> str:
    """A sentence about what somebody should look at, or nothing; `told` is when the own address was told last."""
    if is_stopped(standing, account):
        return f"dy.fi {answers.FINAL[standing.word]}; nothing is sent to it until then"
    if standing.ok is not None and elapsed(standing.ok, now) > LASTS:
        return "dy.fi has taken no update for 7 days: the name has expired"
    if standing.tries >= _WORRYING_TRIES:
        why = answers.PASSING.get(standing.word, "is asked again after it refused")
        return f"dy.fi {why}; tried {standing.tries} times, and will be again"
    if told is not None and elapsed(told, now) > UNTOLD:
        return "this machine's address is told by nobody (address_url): another one would not be noticed"
    return ""
