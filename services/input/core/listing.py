"""Files of CIDRs, a line each: seeds, and opt-outs with a reason and a date. `#` begins a comment."""

from collections.abc import Iterator
from datetime import date

from hopmap import addresses
from hopmap.errors import UserError
from hopmap.wire.control import OptOut
from services.input.core.frontier import NewPrefix
from services.input.core.guard import MOST_OPT_OUTS
from services.input.core.prefixes import MOST_PREFIXES

_LONGEST_REASON = 500


def seeds(text: str, name: str) -> list[NewPrefix]:
    """The prefixes of a seed file; UserError names FILE:LINE and what to do."""
    found = []
    for where, words in _lines(text, name, MOST_PREFIXES):
        if len(words) > 1:
            raise UserError(f"{where}: one prefix a line; put '#' before a remark")
        found.append(NewPrefix(*_prefix(words[0], where)))
    return found


def opt_outs(text: str, name: str) -> list[OptOut]:
    """The entries of an opt-out file: PREFIX [REASON...] [DATE]; UserError names FILE:LINE and what to do."""
    return [_opt_out(where, words) for where, words in _lines(text, name, MOST_OPT_OUTS)]


def _opt_out(where: str, words: list[str]) -> OptOut:
    prefix = addresses.prefix_text(*_prefix(words[0], where))
    rest = words[1:]
    day = ""
    if rest and _is_day(rest[-1]):
        day = rest.pop()
    reason = " ".join(rest)
    if len(reason) > _LONGEST_REASON:
        raise UserError(f"{where}: the reason is longer than {_LONGEST_REASON} characters: shorten it")
    return OptOut(prefix, reason, day)


def _lines(text: str, name: str, most: int) -> Iterator[tuple[str, list[str]]]:
    count = 0
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if words:
            count += 1
            if count > most:
                raise UserError(f"{name}:{number}: more than {most} prefixes: split the file, or join neighbours")
            yield f"{name}:{number}", words


def _prefix(text: str, where: str) -> tuple[int, int]:
    try:
        return addresses.prefix(text)
    except ValueError as error:
        raise UserError(f"{where}: {error}; write a prefix such as 192.0.2.0/24 (IPv4 only)") from error


def _is_day(word: str) -> bool:
    try:
        return bool(date.fromisoformat(word))
    except ValueError:
        return False
