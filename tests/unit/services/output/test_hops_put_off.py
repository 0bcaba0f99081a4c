"""Hops that an input's caps refuse are told again until it has them, also after a restart of either."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hopmap import addresses
from hopmap.client import Endpoint, Response
from hopmap.wire.feedback import (
    FeedbackAnswer,
    HopsAnswer,
    decode_feedback,
    decode_hops,
    encode_feedback_answer,
    encode_hops_answer,
)
from hopmap.wire.result import ResultId
from services.input.core.frontier import Frontier, Limits
from services.input.core.growth import HOUR, Caps
from services.output.core.row import Row
from services.output.counters import Counters
from services.output.forward import Forwarder
from services.output.store.queries import pending
from services.output.store.state import State

URL = "http://localhost/hops"
TARPIT = 66 << 24
HONEST = 77 << 24


class CappedInput:
    """A client to an input that is a frontier with caps, at a time of its own."""

    def __init__(self, caps: Caps) -> None:
        self.endpoint = Endpoint.parse(URL)
        self.limits = Limits(caps=caps)
        self.frontier = Frontier("g-1", 1, self.limits)
        self.now = 1_000_000.0
        self.told = 0

    def steady(self) -> float:
        return self.now

    def replace(self) -> None:
        self.frontier = Frontier("g-2", 1, self.limits)

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str], limit: int) -> Response:
        value, frontier = json.loads(body), self.frontier
        if path == "/feedback":
            judged = frontier.judge(decode_feedback(value), int(self.now))
            answer: Any = encode_feedback_answer(FeedbackAnswer(judged.known, judged.unknown, frontier.generation))
        else:
            hops = decode_hops(value)
            self.told += len(hops)
            learnt = frontier.learn(hops, int(self.now))
            answer = encode_hops_answer(HopsAnswer(learnt.new, learnt.known, learnt.refused, frontier.generation))
        return Response(200, {}, json.dumps(answer).encode())

    def close(self) -> None:
        pass


class Telling:
    """A state with a log of hops, and a forwarder over it that is stepped by hand."""

    def __init__(self, folder: Path, caps: Caps) -> None:
        self.path = folder / "state.sqlite"
        self.state = State(self.path, "00000000", Counters(), most_hops=10**6, most_feedback=10)
        self.input = CappedInput(caps)
        self.results = 0
        self.begin()

    def begin(self) -> None:
        """As after a restart of the output."""
        client: Any = self.input
        self.forwarder = Forwarder(
            URL, client, self.path, write=lambda work: work(self.state), draw=lambda: 0.0, steady=self.input.steady
        )
        self.state.keep_inputs([URL])

    def learn(self, *hops: int) -> None:
        self.results += 1
        seen = tuple(map(addresses.text, hops))
        row = Row(ResultId("a", "s", self.results), HONEST, "2026-01-01T00:00:00.000Z", "trace", "{}", seen, None)
        self.state.claim(row.id)
        self.state.apply([row], self.results, row.started)

    def tell(self) -> int:
        """All that there is to tell now; how many hops that were."""
        before = self.input.told
        while self.forwarder._round():
            pass
        return self.input.told - before

    def known(self, network: int) -> int:
        return sum(address >> 24 == network >> 24 for address in self.input.frontier.known.addresses)

    def pending(self) -> int:
        return pending(self.path)[URL]["hops"]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made = SimpleNamespace(telling=None)

    def begin(**caps: int) -> Telling:
        made.telling = Telling(tmp_path, Caps(**caps))
        return made.telling

    yield begin
    made.telling.state.close()


def test_a_capped_hop_comes_back_when_there_is_room(make: Any) -> None:
    telling = make(prefix=100)
    telling.learn(*range(TARPIT, TARPIT + 250))
    telling.learn(HONEST + 1)
    assert telling.tell() == 251
    assert (telling.known(TARPIT), telling.known(HONEST)) == (100, 1)
    assert telling.tell() == 0
    assert telling.pending() == 251
    for hours, known in ((1, 200), (2, 250)):
        telling.input.now = 1_000_000 + hours * HOUR
        telling.tell()
        assert telling.known(TARPIT) == known
    assert telling.pending() == 0
    telling.input.now += 5 * HOUR
    assert telling.tell() == 0


def test_what_is_new_is_told_at_once_behind_what_was_put_off(make: Any) -> None:
    telling = make(prefix=1)
    telling.learn(TARPIT, TARPIT + 1)
    telling.tell()
    telling.learn(HONEST + 1)
    assert telling.tell() == 1
    assert telling.known(HONEST) == 1
    assert telling.pending() == 3


def test_put_off_hops_survive_restarts(make: Any) -> None:
    telling = make(prefix=1)
    telling.learn(TARPIT, TARPIT + 1)
    telling.tell()
    telling.begin()
    telling.input.now += HOUR
    telling.tell()
    assert (telling.known(TARPIT), telling.pending()) == (2, 0)


def test_a_replaced_input_is_told_from_the_start_though_hops_were_put_off(make: Any) -> None:
    telling = make(prefix=1)
    telling.learn(HONEST + 1)
    telling.tell()
    telling.learn(TARPIT, TARPIT + 1)
    telling.tell()
    telling.input.replace()
    telling.tell()
    assert telling.known(HONEST) == 1


def test_no_hour_brings_more_than_the_cap(make: Any) -> None:
    telling = make(hour=300, prefix=256, source=10_000)
    for block in range(4):
        telling.learn(*range(TARPIT + 256 * block, TARPIT + 256 * block + 250))
    grown, before = [], 0
    for _ in range(4):
        for _ in range(3):
            telling.tell()
            telling.input.now += HOUR / 3
        grown.append(telling.known(TARPIT) - before)
        before += grown[-1]
    assert grown == [300, 300, 300, 100]
