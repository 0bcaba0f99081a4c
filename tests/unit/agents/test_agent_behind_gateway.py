"""The settings of an agent that comes through a gateway, and what it tells there."""

import gzip
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.config import AgentSettings
from agents.health import Vitals
from agents.heartbeat import Heartbeat
from hopmap import config
from hopmap.client import Endpoint, Response, Unreachable
from hopmap.errors import UserError
from hopmap.wire import api_key

KEY = api_key.new_key("fi-hel-1", secrets.token_bytes)


def settings(**values: Any) -> AgentSettings:
    return config.build(AgentSettings, {"gateway": "https://maps.example.org", "token_file": "key", **values})


@pytest.mark.parametrize(
    ("gateway", "base"),
    [
        ("https://maps.example.org", "/gateway"),
        ("https://maps.example.org/", "/gateway"),
        ("https://maps.example.org:8443/hop/", "/hop/gateway"),
        ("unix:///run/gateway.sock", "/gateway"),
    ],
)
def test_one_url_gives_all_places(gateway: str, base: str) -> None:
    found = settings(gateway=gateway)
    places = [*found.inputs(), *found.outputs(), *found.controls(), found.heartbeats()]
    paths = [place.path for place in places if isinstance(place, Endpoint)]
    assert paths == [f"{base}/targets", f"{base}/results", base, f"{base}/heartbeat"]
    assert len({(place.host, place.port, place.unix) for place in places if isinstance(place, Endpoint)}) == 1


def test_without_a_gateway_nothing_changes() -> None:
    found = AgentSettings()
    assert found.heartbeats() is None
    assert found.controls() == found.inputs()
    assert found.known_as(None) is None
    assert AgentSettings(name="a").known_as(KEY) == "a"


def test_heartbeats_can_be_switched_off() -> None:
    assert settings(heartbeat_seconds=0.0).heartbeats() is None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"input_file": ("targets.txt",)}, "takes the place of input_file"),
        ({"output_file": ("results",)}, "takes the place of output_file"),
        ({"gateway": "maps.example.org"}, "gateway: .* must begin with"),
        ({"gateway": ""}, "gateway: .* must begin with"),
        ({"gateway": "https://a@b"}, "gateway: .*no user"),
    ],
)
def test_wrong_settings(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        settings(**values)


def test_the_name_is_the_key_s() -> None:
    assert settings().known_as(KEY) == settings(name="fi-hel-1").known_as(KEY) == "fi-hel-1"
    with pytest.raises(UserError, match="that of fi-hel-1"):
        settings(name="other").known_as(KEY)
    for wrong in (None, "secret-token-of-another-kind", KEY[:-1]):
        with pytest.raises(UserError, match="needs the node's key") as refused:
            settings().known_as(wrong)
        assert not wrong or wrong not in str(refused.value)


@dataclass
class Line:
    """In the place of a client: keeps what is sent."""

    status: int | None = 200
    endpoint: Endpoint = field(default_factory=lambda: Endpoint.parse("https://maps.example.org/gateway/heartbeat"))
    sent: list[Any] = field(default_factory=list)

    def request(self, method: str, *, body: bytes, headers: Mapping[str, str], limit: int) -> Response:
        self.sent.append((method, json.loads(gzip.decompress(body)), headers["Content-Encoding"]))
        if self.status is None:
            raise Unreachable("nobody there")
        return Response(self.status, {}, b'{"error":"unauthorized","detail":"this API key has expired"}')


def beat(line: Line, *, may_talk: bool = True) -> float:
    vitals = Vitals(lambda: {"status": "ok"}, lambda: None, lambda: b"", lambda: {"service_type": "agent"})
    told = Heartbeat(line, vitals, rng=lambda: 0.5, seconds=60.0, may_talk=lambda: may_talk)  # type: ignore[arg-type] # a stand-in
    return told.step()


def test_a_heartbeat_tells_health_and_service_info() -> None:
    line = Line()
    assert beat(line) == 60.0
    told = {"schema": 1, "service": {"service_type": "agent"}, "health": {"status": "ok"}}
    assert line.sent == [("POST", told, "gzip")]


@pytest.mark.parametrize("status", [401, 503, None])
def test_one_that_does_not_get_through_is_logged_and_stops_nothing(
    status: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert beat(Line(status)) == 60.0
    assert "no_heartbeat" in caplog.text


def test_nothing_is_told_while_the_data_budget_is_spent() -> None:
    line = Line()
    assert beat(line, may_talk=False) == 60.0
    assert line.sent == []
