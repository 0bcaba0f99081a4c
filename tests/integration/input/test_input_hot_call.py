"""The hot call answers as the application does, header by header, and is counted as it is."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from hopmap import addresses
from hopmap.wire.control import Control
from hopmap.wire.service_info import ServiceInfo
from services.chassis.app import Service
from services.chassis.auth import read_tokens
from services.input import app as module
from services.input.core.frontier import Limits, NewPrefix
from services.input.hot import HotTargets
from services.input.state import State

LENDING = module.Lending(300, per_prefix_per_second=0.0, packets_per_lease=10, inputs=1, hint_bytes=64)
AGENT, OTHER = "agent-token-0123456789", "service-token-0123456789"
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass
class Asked:
    """A request as a listener has it."""

    command: str
    version: str
    path: str
    query: str
    headers: dict[str, str]


class Twins:
    """Two inputs alike: one asked through the hot call, one through the application alone."""

    def __init__(self, folder: Path, *, tokens: bool) -> None:
        (folder / "tokens").write_text(f"agent {AGENT}\nservice {OTHER}\n")
        given = read_tokens(folder / "tokens") if tokens else read_tokens(folder / "tokens").__class__()
        self.states, self.services, self.apps = [], [], []
        for name in ("hot", "plain"):
            state = State(folder / name, Limits(block=8, cycle_seconds=100), 7, lambda: 1_800_000_000.0)
            state.bootstrap(
                [NewPrefix(*addresses.prefix("62.0.0.0/27")), NewPrefix(*addresses.prefix("62.1.0.0/28"))], []
            )
            state.start()
            info = ServiceInfo("input", "1", "i", ())
            self.services.append(Service(info, dict, state.failure, given))
            self.states.append(state)
            self.apps.append(module.make(self.services[-1], state, LENDING, import_bytes=1_000))
        self.direct = HotTargets(self.services[0], self.states[0], 300)
        self.answered = 0

    def both(self, **environ: str) -> tuple[Answer, Answer]:
        return self.hot(environ), asked(self.apps[1], environ)

    def hot(self, environ: dict[str, str]) -> Answer:
        """As a listener does: the application is asked when there is no answer at once."""
        headers = {name.removeprefix("HTTP_"): value for name, value in environ.items() if name.startswith("HTTP_")}
        path, query = environ.get("PATH_INFO", "/"), environ.get("QUERY_STRING", "")
        found = self.direct.answer(Asked(environ.get("REQUEST_METHOD", "GET"), "1.1", path, query, headers))
        if found is None:
            return asked(self.apps[0], environ)
        self.answered += 1
        return "200 OK", sorted([*found.headers, ("Content-Length", str(len(found.body)))]), found.body

    def counts(self) -> tuple[list[str], list[str]]:
        hot, plain = (
            [line for line in generate_latest(one.registry).decode().splitlines() if "requests_total{" in line]
            for one in self.services
        )
        return hot, plain

    def close(self) -> None:
        for state in self.states:
            state.close()


def asked(app: Callable[..., Iterable[bytes]], environ: dict[str, str]) -> Answer:
    told: list[Any] = []
    base = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "x", "SERVER_PORT": "1"}
    wsgi = {"wsgi.input": BytesIO(), "wsgi.errors": BytesIO(), "wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1"}
    body = b"".join(app(base | wsgi | environ, lambda *given: told.extend(given[:2])))
    return told[0], sorted(told[1]), body


REQUESTS: list[dict[str, str]] = [
    {"HTTP_X_CONSUMER_ID": "a"},
    {"HTTP_X_CONSUMER_ID": "a", "QUERY_STRING": "count=1"},
    {"HTTP_X_CONSUMER_ID": "a", "QUERY_STRING": "count=7"},
    {"HTTP_X_CONSUMER_ID": "a", "QUERY_STRING": "count=1000"},
    {"HTTP_X_CONSUMER_ID": "a"},
    {"HTTP_X_CONSUMER_ID": "b", "QUERY_STRING": "count=007"},
    {"HTTP_X_CONSUMER_ID": "b", "QUERY_STRING": "count=0"},
    {"HTTP_X_CONSUMER_ID": "b", "QUERY_STRING": "count=1001"},
    {"HTTP_X_CONSUMER_ID": "b", "QUERY_STRING": "count=x&count=2"},
    {"HTTP_X_CONSUMER_ID": "b", "QUERY_STRING": "other=1"},
    {"HTTP_X_CONSUMER_ID": "b", "HTTP_ACCEPT": "application/json"},
    {"HTTP_X_CONSUMER_ID": "b", "HTTP_ACCEPT": "*/*"},
    {"HTTP_X_CONSUMER_ID": "not a name"},
    {"HTTP_X_CONSUMER_ID": ""},
    {"HTTP_X_CONSUMER_ID": "x" * 65},
    {"HTTP_X_CONSUMER_ID": "slow"},
    {},
    {"REQUEST_METHOD": "HEAD", "HTTP_X_CONSUMER_ID": "b"},
    {"REQUEST_METHOD": "POST", "HTTP_X_CONSUMER_ID": "b"},
    {"PATH_INFO": "/nowhere", "HTTP_X_CONSUMER_ID": "b"},
    {"PATH_INFO": "", "HTTP_X_CONSUMER_ID": "b"},
    {"PATH_INFO": "/control", "HTTP_X_CONSUMER_ID": "b"},
]  # fmt: skip # a table
TOKENS = [f"Bearer {AGENT}", f"bearer {AGENT}", f"Bearer {OTHER}", "Bearer wrong", f"Basic {AGENT}", ""]


@pytest.mark.parametrize("stop", [False, True])
def test_both_answer_alike(tmp_path: Path, *, stop: bool) -> None:
    twins = Twins(tmp_path, tokens=False)
    for state in twins.states:
        state.frontier.generation = "g-same"
        state.steer(Control(1, stop=stop, paused=("slow",)))
    for request in REQUESTS:
        hot, plain = twins.both(**request)
        assert hot == plain, request
    assert twins.answered == (0 if stop else 3)  # the others are past a block, too many, none, or not this call
    hot_counts, plain_counts = twins.counts()
    assert hot_counts == plain_counts
    assert [state.frontier.served for state in twins.states] == [twins.states[0].frontier.served] * 2
    twins.close()


def test_both_ask_for_the_same_token(tmp_path: Path) -> None:
    twins = Twins(tmp_path, tokens=True)
    for token in TOKENS:
        hot, plain = twins.both(HTTP_X_CONSUMER_ID="a", HTTP_AUTHORIZATION=token)
        assert hot == plain, token
    statuses = [twins.both(HTTP_X_CONSUMER_ID="a", HTTP_AUTHORIZATION=token)[0][0][:3] for token in TOKENS]
    assert statuses == ["200", "200", "403", "401", "401", "401"]
    twins.close()


def test_both_refuse_alike_when_a_place_can_not_be_kept(tmp_path: Path) -> None:
    twins = Twins(tmp_path, tokens=False)
    twins.both(HTTP_X_CONSUMER_ID="a", QUERY_STRING="count=9")
    for state in twins.states:
        assert state.store.log
        state.store.log.failed = "No space left on device"
    hot, plain = twins.both(HTTP_X_CONSUMER_ID="a", QUERY_STRING="count=9")
    assert hot == plain
    assert hot[0].startswith("507")
    assert json.loads(hot[2])["error"] == "storage"
    assert [state.frontier.served for state in twins.states] == [9, 9]
    twins.close()


def test_head_takes_no_target(tmp_path: Path) -> None:
    twins = Twins(tmp_path, tokens=False)
    hot, _ = twins.both(REQUEST_METHOD="HEAD", HTTP_X_CONSUMER_ID="a")
    assert hot[0].startswith("405")
    assert ("Allow", "GET") in hot[1]
    assert hot[2] == b""
    assert twins.states[0].frontier.served == 0
    twins.close()
