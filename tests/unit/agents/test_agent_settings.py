"""The agent's settings: what the contract fixes, what is refused and how it is said."""

from pathlib import Path

import pytest
import yaml

from agents.config import AgentSettings
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK, Cap, per_near_hop, per_network
from hopmap import config
from hopmap.errors import UserError

EXAMPLE = Path(__file__).parents[3] / "docs" / "config.example.yaml"


def test_the_defaults_that_the_contract_fixes() -> None:
    settings = AgentSettings()
    assert settings.input_file == ("http://localhost:8080",)
    assert settings.output_file == ("http://localhost:8081/results",)
    assert (settings.interval_seconds, settings.cooldown_minutes) == (30, 10)
    assert (settings.enable_traceroute, settings.traceroute_max_hops) == (True, 30)
    assert (settings.health_check_port, settings.ping_count) == (8090, 1)


def test_the_default_caps_are_those_of_the_contract() -> None:
    rates = AgentSettings().rates()
    assert per_network(rates.per_prefix_per_second) == PER_NETWORK == Cap(60, 600.0, 20)
    assert per_near_hop(rates.per_router_per_second) == PER_NEAR_HOP == Cap(10, 10.0, 2)


@pytest.mark.parametrize("rate", [0.0001, 0.001, 0.1, 1, 3.7, 1000])
def test_no_cap_is_above_what_was_asked_for(rate: float) -> None:
    for cap in (per_network(rate), per_near_hop(rate)):
        assert cap is not None
        assert cap.packets / cap.seconds <= rate * 1.000001
        assert 0 < cap.burst < cap.packets


def test_zero_lifts_a_cap() -> None:
    rates = AgentSettings(per_prefix_per_second=0, per_router_per_second=0).rates()
    assert per_network(rates.per_prefix_per_second) is per_near_hop(rates.per_router_per_second) is None


def test_the_example_names_every_key_and_loads() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    values = config.read_file(AgentSettings, EXAMPLE)
    named = {line.lstrip("# ").partition(":")[0] for line in text.splitlines() if ":" in line}
    assert set(AgentSettings.__dataclass_fields__) <= named
    config.build(AgentSettings, values)


def test_the_example_with_everything_uncommented_loads(tmp_path: Path) -> None:
    keys = AgentSettings.__dataclass_fields__
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    shown = [line.removeprefix("#") for line in lines if line.removeprefix("#").partition(":")[0] in keys]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join(shown))
    assert set(yaml.safe_load(path.read_text())) == set(keys)
    config.build(AgentSettings, config.read_file(AgentSettings, path))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"input_file": ()}, "input_file must name"),
        ({"output_file": ("",)}, "output_file is empty"),
        ({"input_file": ("ftp://x",)}, "input_file: 'ftp://x' must begin with"),
        ({"name": "no spaces"}, "name 'no spaces'"),
        ({"contact": "me"}, "contact 'me' must be"),
        ({"transport": "tun"}, "transport 'tun' must be"),
        ({"private_networks": ("10.0.0.1/8",)}, "private_networks"),
        ({"host": "0.0.0.0"}, "not loopback"),
        ({"host": "worker.example"}, "not loopback"),
        ({"ping_protocol": "udp"}, "ping_protocol 'udp' must be icmp or tcp"),
        ({"trace_protocol": "sctp"}, "must be icmp or tcp or udp"),
    ],
)
def test_what_is_refused_and_how(values: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        config.build(AgentSettings, values)


def test_beyond_loopback_with_a_token_or_knowingly() -> None:
    AgentSettings(host="0.0.0.0", token_file="/x")
    AgentSettings(host="0.0.0.0", no_auth=True)
    assert not AgentSettings(host="localhost").beyond_loopback
    assert not AgentSettings(host="127.8.8.8").beyond_loopback


def test_the_transport() -> None:
    assert AgentSettings().lab_socket() is None
    assert AgentSettings(transport="unix:///run/lab").lab_socket() == "/run/lab"
    assert AgentSettings(transport="/run/lab").lab_socket() == "/run/lab"


def test_the_token_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert AgentSettings().token() is None
    path.write_text("s3cret\n")
    assert AgentSettings(token_file=str(path)).token() == "s3cret"
    path.write_text("agent s3cret\n")
    with pytest.raises(UserError, match="one token"):
        AgentSettings(token_file=str(path)).token()
    with pytest.raises(UserError, match="No such file"):
        AgentSettings(token_file=str(tmp_path / "none")).token()
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not ASCII"):
        AgentSettings(token_file=str(path)).token()
