"""A clock that stands still until told, and a service that answers from a script."""

from collections.abc import Mapping
from typing import Any

import pytest

from hopmap.client import Endpoint, Response, Unreachable
from hopmap.wire import decode
from hopmap.wire.result import Clock as ClockState


class StillClock:
    """Steady and wall time move by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.boot = "boot-1"

    def steady(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now

    def epoch(self) -> str:
        return self.boot

    def state(self) -> ClockState:
        return ClockState(synced=True)


class ScriptedClient:
    """In place of hopmap.client.Client: answers what was put in, remembers what was asked."""

    def __init__(self, url: str = "http://127.0.0.1:1") -> None:
        self.endpoint = Endpoint.parse(url)
        self.script: list[Response | None] = []
        self.asked: list[tuple[str, str | None, bytes | None, Mapping[str, str]]] = []

    def will(self, status: int, body: object = None, **headers: str) -> "ScriptedClient":
        content = body if isinstance(body, bytes) else b"" if body is None else decode.dump(body)
        self.script.append(Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, content))
        return self

    def will_be_down(self) -> "ScriptedClient":
        self.script.append(None)
        return self

    def request(
        self, method: str, path: str | None = None, body: bytes | None = None, headers: Any = None, limit: int = 0
    ) -> Response:
        self.asked.append((method, path, body, dict(headers or {})))
        answer = self.script.pop(0)
        if answer is None:
            raise Unreachable("nobody there")
        return answer


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def client() -> ScriptedClient:
    return ScriptedClient()
