"""How often a sign-in may be tried, so that guessing is slow and nobody can lock another out.

Three bounds: doubling waits for an account from one place, a number of failures for an account and one for an
address. A browser that has signed in to the account before is a place of its own: only its own failures count.
Accounts that do not exist are counted like others, so that nothing can be learnt from waiting.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

Kept = TypeVar("Kept")
_FREE_FAILURES = 3
_LONGEST_WAIT = 60.0
_FORGOTTEN_AFTER = 900.0
ACCOUNT_FAILURES, ADDRESS_FAILURES = 20, 40


@dataclass(slots=True)
class _Tries:
    """Failures from one place, and when the next try is allowed."""

    failures: int = 0
    not_before: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class _Level:
    """Failures that run off evenly within a quarter of an hour."""

    height: float = 0.0
    at: float = 0.0


class Attempts:
    """Counts of each place, account and address; at most `most` of each, the longest unused forgotten."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        self._levels: OrderedDict[tuple[str, str], _Level] = OrderedDict()

    def take(self, now: float, account: str, address: str, device: str = "") -> float:
        """0 when a try may be made now, which counts as failed until `succeeded` is told; else the seconds to wait.

        `device` names a browser that is known to this account; empty when it is not.
        """
        tries = self._tries_of(account, device or address, now)
        levels = [] if device else self._levels_of(account, address, now)
        spare = [(level.height - most + 1) * _FORGOTTEN_AFTER / most for level, most in levels]
        wait = max([0.0, tries.not_before - now, *spare])
        if wait > 0:
            return wait
        tries.failures += 1
        tries.last = now
        if tries.failures >= _FREE_FAILURES:
            tries.not_before = now + min(_LONGEST_WAIT, 2.0 ** (tries.failures - _FREE_FAILURES))
        for level, _ in levels:
            level.height += 1
        return 0.0

    def succeeded(self, now: float, account: str, address: str, device: str = "") -> None:
        """The try was good: forget the failures from this place, and give back what it was counted as."""
        self._tries.pop((account, device or address), None)
        for level, _ in [] if device else self._levels_of(account, address, now):
            level.height = max(0.0, level.height - 1)

    def __len__(self) -> int:
        return max(len(self._tries), len(self._levels))

    def _tries_of(self, account: str, place: str, now: float) -> _Tries:
        tries = _touched(self._tries, (account, place), _Tries(), self._most)
        if now - tries.last > _FORGOTTEN_AFTER:
            tries.failures, tries.not_before = 0, 0.0
        return tries

    def _levels_of(self, account: str, address: str, now: float) -> list[tuple[_Level, int]]:
        keys = (("account", account), ACCOUNT_FAILURES), (("address", address), ADDRESS_FAILURES)
        found = [(_touched(self._levels, key, _Level(at=now), self._most), most) for key, most in keys]
        for level, most in found:
            level.height = max(0.0, level.height - (now - level.at) * most / _FORGOTTEN_AFTER)
            level.at = now
        return found


def _touched(table: "OrderedDict[tuple[str, str], Kept]", key: tuple[str, str], fresh: Kept, most: int) -> Kept:
    found = table.setdefault(key, fresh)
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
    return found
