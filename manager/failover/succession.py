"""Tells people of a take-over as of every alarm: who led before is silent, until it is heard again."""

from collections.abc import Callable, Container

from manager.failover.core.epoch import MOST_MANAGERS
from manager.failover.core.word import Word
from manager.fleet.core.condition import OK, SILENT
from manager.fleet.core.letter import News

KIND = "manager"
Alarm = Callable[[News], None]


def node_of(rank: int) -> str:
    """The id under which alarms of a manager are kept."""
    return f"manager/{rank}"


class Succession:
    """Of a manager with this rank that leads; `gone` are the managers (as `node_of`) of whom an alarm goes on."""

    def __init__(self, domain: str, rank: int, alarm: Alarm, gone: Container[str]) -> None:
        self._domain, self._rank, self._alarm = domain, rank, alarm
        self._gone = {one for one in range(MOST_MANAGERS) if node_of(one) in gone}

    def took_over(self, before: int, epoch: int, since: float) -> None:
        """This manager leads in an epoch, after one that nobody answers for since then; 0: it is the first of all."""
        rank = before % MOST_MANAGERS
        if before and rank != self._rank:
            self._gone.add(rank)
            why = f"Rank {self._rank} leads in its place, in epoch {epoch}."
            self._alarm(self._news(rank, OK, SILENT, since, why))
        elif before:
            self._alarm(self._news(rank, SILENT, OK, since, f"It was gone, and leads again in epoch {epoch}."))

    def heard(self, word: Word, now: float) -> None:
        """Another manager has said something."""
        if word.rank in self._gone and not word.leads:
            self._gone.discard(word.rank)
            self._alarm(self._news(word.rank, SILENT, OK, now, "It stands by."))

    def _news(self, rank: int, before: str, state: str, since: float, why: str) -> News:
        return News(node_of(rank), f"{self._domain}, rank {rank}", KIND, "", before, state, since, why)
