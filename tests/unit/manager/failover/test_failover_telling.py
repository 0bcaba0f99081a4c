"""Changes are told at once to managers that stand by."""

import time

from manager.failover.core import word as words
from manager.failover.core.word import Word
from manager.failover.telling import SECONDS, Listeners, Telling
from manager.failover.watcher import Watcher
from tests.unit.manager.failover.conftest import asked


class Told:
    """Copies whose state is what the test says."""

    def __init__(self) -> None:
        self.content, self.version, self.looks = b"1", "", 0

    def mark(self) -> object:
        return self.content

    def look(self) -> int:
        self.looks += 1
        self.version = self.content.decode()
        return 5_000_000


def test_a_change_is_told_once_to_each_that_stands_by_and_a_large_one_not_too_often() -> None:
    copies, listeners, heard = Told(), Listeners(60.0, lambda: 0.0), list[str]()
    telling = Telling(copies, listeners, heard.append)  # type: ignore[arg-type] # in its place
    assert telling.round() == SECONDS
    assert copies.looks == 0  # nobody listens
    listeners.note("192.0.2.1")
    listeners.note("192.0.2.2")
    listeners.note("192.0.2.1")
    assert telling.round() == SECONDS + 5.0
    assert telling.round() == SECONDS
    assert heard == ["192.0.2.1", "192.0.2.2"]
    copies.content = b"2"
    telling.round()
    assert heard[2:] == heard[:2]


def test_who_has_not_asked_for_long_is_told_nothing_and_no_more_than_there_can_be() -> None:
    now = [0.0]
    listeners = Listeners(60.0, lambda: now[0])
    for number in range(20):
        listeners.note(f"192.0.2.{number}")
    assert len(listeners.all()) == 16
    now[0] = 61.0
    assert listeners.all() == []


def test_only_the_leader_that_is_known_makes_this_manager_copy_and_that_is_no_look(watcher: Watcher) -> None:
    key = watcher.around.key
    leader = Word("m0", 0, 16, leads=True, ready=True, at=1.8e9, version="1")
    asked(watcher, "/peer", words.said(key, words.ASK, "n", leader))
    before = watcher.standby
    fetched: list[Word] = []
    watcher.copies.fetch = lambda _peers, _address, _mine, word: fetched.append(word)  # type: ignore[method-assign]
    watcher._name = ("192.0.2.1",)

    def rest() -> list[Word]:
        for news in watcher._rest.until(time.monotonic() + 0.05):
            watcher._copy(news)
        return [fetched.pop() for _ in fetched[:]]

    for other in (leader._replace(id="m2"), leader._replace(leads=False), leader._replace(version="")):
        assert asked(watcher, "/peer/news", words.said(key, words.ASK, "news", other)).status == 204
        assert rest() == []
    assert asked(watcher, "/peer/news", words.said(b"x" * 32, words.ASK, "news", leader)).status == 403
    news = words.said(key, words.ASK, "news", leader)
    assert asked(watcher, "/peer/news", news).status == 204
    assert rest() == [leader]
    assert watcher.standby == before
