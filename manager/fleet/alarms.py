"""Tells people when nodes fall silent, lag or fail: by webhook and by mail, from an outbox that survives restarts."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from manager.fleet.core import letter
from manager.fleet.core.condition import BAD
from manager.fleet.core.letter import News
from manager.fleet.history_store import Alarm, HistoryStore
from manager.fleet.polling import Changed
from manager.fleet.ways import NotSent

MOST_LETTERS = 500
GATHER_SECONDS = 5.0
_MOST_GATHERED = 5_000
_SEND_SECONDS = 10.0
_log = logging.getLogger(__name__)
Send = Callable[[str], None]


class Alarms:
    """Gathers changes for a few seconds, makes one letter of them, and sends it each `way` until it gets through."""

    def __init__(
        self, store: HistoryStore, ways: Mapping[str, Send], site: str, now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._ways, self._site, self._now = store, ways, site, now
        self._gathered: list[News] = []
        self._lock = threading.Lock()
        self._ending, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self.sent = self.failed = self.given_up = 0
        self.problems: dict[str, str] = {}

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Send no more; what was gathered goes into the outbox, for the next start."""
        self._ending.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_SEND_SECONDS)
        self.post()

    def tell(self, changed: Changed) -> None:
        """A node's state has changed."""
        node, condition = changed.node, changed.condition
        self.gather(
            News(
                node.id, node.name, node.kind, node.url, changed.before, condition.state, condition.since, condition.why
            )
        )

    def gather(self, news: News) -> None:
        """Something has changed that people are told of."""
        if news.before != news.state:
            event(
                _log, logging.WARNING, "node_changed", node=news.name, before=news.before, now=news.state, why=news.why
            )
        self._keep(news)
        with self._lock:
            if len(self._gathered) < _MOST_GATHERED:
                self._gathered.append(news)
        self._news.set()

    def _keep(self, news: News) -> None:
        """For the page of alarms."""
        try:
            if news.state in BAD:
                alarm = Alarm(news.node, news.name, news.kind, news.state, news.since, news.why)
                self._store.alarm(alarm, goes_on=news.before in BAD)
            else:
                self._store.alarm_ended(news.node, news.since)
        except OSError as error:
            event(_log, logging.ERROR, "alarm_not_kept", why=one_line(error))

    def post(self) -> None:
        """Put what was gathered into the outbox."""
        with self._lock:
            gathered, self._gathered = letter.settled(self._gathered), []
        if not gathered or not self._ways:
            return
        body = decode.dump(letter.body(gathered, self._site)).decode()
        try:
            self.given_up += self._store.post(body, tuple(self._ways), self._now(), MOST_LETTERS)
        except OSError as error:
            event(_log, logging.ERROR, "alarm_not_kept", why=one_line(error))

    def send(self) -> None:
        """Try every letter that is due, each once."""
        for number, body, way, tries in self._store.letters(self._now()):
            if self._ending.is_set():
                return
            if way not in self._ways:  # it was configured when the letter was written
                self._store.drop(number)
                continue
            try:
                self._ways[way](body)
            except NotSent as error:
                self._put_off(number, way, tries + 1, str(error))
            else:
                self._store.drop(number)
                self.sent += 1
                self.problems.pop(way, None)

    def _put_off(self, number: int, way: str, tries: int, why: str) -> None:
        self.failed += 1
        self.problems[way] = why
        event(_log, logging.WARNING, "alarm_not_sent", way=way, tries=tries, why=why)
        wait = letter.wait(tries)
        if wait is None:
            self.given_up += 1
            self._store.drop(number)
        else:
            self._store.put_off(number, self._now() + wait)

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._news.wait(GATHER_SECONDS) and not self._ending.is_set():
                self._news.clear()
                self._ending.wait(GATHER_SECONDS)
            try:
                self.post()
                self.send()
            except OSError as error:
                event(_log, logging.ERROR, "alarms_stuck", why=one_line(error))
