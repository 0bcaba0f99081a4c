"""Keeps the name pointing here: looks at the own address again and again, and asks dy.fi when that is due."""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hopmap.errors import one_line
from hopmap.logs import event
from manager.audit import Audit
from manager.dyfi import account as accounts
from manager.dyfi import moments, store
from manager.dyfi.account import Account
from manager.dyfi.core import answer as answers
from manager.dyfi.core import schedule
from manager.dyfi.core.answer import Answer
from manager.dyfi.core.moment import Moment, elapsed
from manager.dyfi.core.schedule import Standing
from manager.fleet.core import condition
from manager.fleet.core.letter import News
from manager.fleet.line import Line
from manager.security_log import SecurityLog

_log = logging.getLogger(__name__)
NODE = "dyfi"  # under which its alarms are kept
ANSWERS = (*answers.WORDS, answers.UNCLEAR, answers.SILENT)


class Told:
    """Who hears of what happens: audit log, security log, and the alarms."""

    def __init__(self, audit: Audit, log: SecurityLog, alarm: Callable[[News], None]) -> None:
        self._audit, self._log, self._alarm = audit, log, alarm

    def answered(self, account: Account, before: Standing, after: Standing, answer: Answer) -> None:
        """An answer came that changes something."""
        if after.held != before.held and answer.word in {answers.GOOD, answers.NOCHG}:
            self._log.event(after.held, "name_moved", reason=account.domain)
            self._audit.change("dyfi", "name_moved", {}, name=account.domain, address=after.held, before=before.held)
        elif answer.word in answers.FINAL:
            self._log.event("", "name_refused", reason=answer.word)
            self._audit.change("dyfi", "name_refused", {}, name=account.domain, answer=answer.word)

    def state(self, account: Account, before: str, problem: str, wall: float) -> None:
        """There is a problem now, or none any more."""
        was, is_now = (condition.FAILING if one else condition.OK for one in (before, problem))
        self._alarm(News(NODE, account.domain, "name", "", was, is_now, wall, problem))


class Updater(Collector):
    """`round` is one look, `start` makes them go on. `may` says whether this manager is the one to ask."""

    def __init__(
        self,
        state_dir: Path,
        account: Account,
        key: bytes,
        line: Line,
        told: Told,
        *,
        seconds: float,
        may: Callable[[], bool] = lambda: True,
        now: Callable[[], Moment] = moments.now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.account = account
        self._state_dir, self._line, self._told = state_dir, line, told
        self._mark = account.mark(key)
        self._seconds, self._may, self._now, self._chance = seconds, may, now, chance
        self._asking = threading.Lock()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="dyfi", daemon=True)
        self._counts = dict.fromkeys(ANSWERS, 0)
        self._problem = ""
        self.own = ""
        self._told_at = now()  # when the own address was told last
        self.standing = store.load(state_dir, now())

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; a request that is out ends by itself, and what comes of it is kept."""
        self._ending.set()
        self._wake.set()

    def soon(self) -> None:
        """Look now."""
        self._wake.set()

    def problem(self) -> str:
        """What somebody should look at, in a sentence; empty for nothing."""
        return schedule.problem(self.standing, self._now(), self._mark, self._told_at)

    def is_stopped(self) -> bool:
        """Whether nothing is sent any more until somebody says so."""
        return schedule.is_stopped(self.standing, self._mark)

    def resume(self) -> None:
        """An operator has mended what stopped it. OSError when it can't be kept."""
        with self._asking:
            self._keep(schedule.resumed(self.standing))
        self.soon()

    def note(self, asked: Moment) -> None:
        """Another manager of the name asked then. OSError when it can't be kept."""
        if not self._asking.acquire(blocking=False):
            return  # this one asks just now, which is later
        try:
            noted = schedule.noted(self.standing, asked, self._now())
            if noted != self.standing:
                self._keep(noted)
        finally:
            self._asking.release()

    def age(self, moment: Moment | None) -> float | None:
        """Seconds since a moment of the standing."""
        return None if moment is None else elapsed(moment, self._now())

    def round(self) -> None:
        """One look, and the request that is due."""
        own = accounts.own_address(self._line, self.account)
        self.own = own or self.own
        with self._asking:
            now = self._now()
            self._told_at = now if own else self._told_at
            if self._may() and schedule.due(self.standing, now, own, self._mark):
                self._ask(now, own)
            problem = self.problem()
        if problem != self._problem:
            self._told.state(self.account, self._problem, problem, now.wall)
            self._problem = problem

    def _ask(self, now: Moment, own: str) -> None:
        before = self.standing
        self._keep(schedule.begun(before, now, self._mark))  # on disk first: no crash may make a second one follow
        answer = accounts.ask(self._line, self.account)
        self._counts[answer.word] += 1
        after = schedule.after(self.standing, answer, self._now(), own, self._chance())
        level = logging.INFO if answer.word in {answers.GOOD, answers.NOCHG} else logging.WARNING
        event(_log, level, "dyfi_answered", domain=self.account.domain, answer=answer.word, address=answer.address)
        self._keep(after)
        self._told.answered(self.account, before, after, answer)

    def _keep(self, standing: Standing) -> None:
        store.keep(self._state_dir, standing)
        self.standing = standing

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            try:
                self.round()
            except OSError as error:
                event(_log, logging.ERROR, "dyfi_stuck", why=one_line(error))
            self._wake.wait(self._seconds * (0.8 + 0.4 * self._chance()))

    def collect(self) -> Iterator[Metric]:
        """The dealings with dy.fi as metrics."""
        asked = CounterMetricFamily("hopmap_dyfi_requests", "Requests to dy.fi by their answer", labels=["answer"])
        for word, count in self._counts.items():
            asked.add_metric([word], count)
        yield asked
        good = self.standing.ok.wall if self.standing.ok else 0.0
        yield GaugeMetricFamily("hopmap_dyfi_good_timestamp_seconds", "When dy.fi took an update last", value=good)
        yield GaugeMetricFamily(
            "hopmap_dyfi_stopped", "1 while an answer forbids to ask again", value=int(self.is_stopped())
        )
