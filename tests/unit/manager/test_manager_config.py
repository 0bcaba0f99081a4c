"""The manager's settings: loopback only, URLs that are URLs."""

import argparse
from pathlib import Path

import pytest

from hopmap import config
from hopmap.errors import UserError
from manager.config import MOST_WATCHED, ManagerSettings


def settings(**flags: object) -> ManagerSettings:
    return config.load(ManagerSettings, "manager", argparse.Namespace(**flags), {})


def test_the_port_comes_from_its_own_variable_and_the_flag_wins() -> None:
    environ = {"MANAGER_PORT": "8123"}
    assert config.load(ManagerSettings, "manager", argparse.Namespace(), environ).port == 8123
    assert config.load(ManagerSettings, "manager", argparse.Namespace(port="8124"), environ).port == 8124


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_loopback_is_listened_on(host: str) -> None:
    assert [address.host for address in settings(host=host).listen_on()] == [host]


def test_a_unix_socket_is_listened_on() -> None:
    assert [address.unix for address in settings(port="0", unix="/run/m.sock").listen_on()] == ["/run/m.sock"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_beyond_loopback_is_refused_with_a_way_out(host: str) -> None:
    with pytest.raises(UserError, match=r"must not travel in plain HTTP.*SSH tunnel"):
        settings(host=host).listen_on()


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"'ftp://x' must begin with"):
        settings(inputs=["ftp://x"])


def test_too_many_services_are_refused() -> None:
    with pytest.raises(UserError, match=f"{MOST_WATCHED} can be watched"):
        settings(inputs=[f"http://127.0.0.1:{port}" for port in range(1000, 1000 + MOST_WATCHED)])


@pytest.mark.parametrize(
    "domain", ["x", "a b.fi", "http://x.fi", "x.fi/", "-a.fi", "x..fi", "a.1", "x.fi\n", "a" * 64 + ".fi"]
)
def test_a_domain_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(UserError, match="is no name such as"):
        settings(domain=domain)


def test_a_domain_beyond_ascii_is_told_how_to_be_written() -> None:
    with pytest.raises(UserError, match="write what is beyond ASCII as xn--"):
        settings(domain="m\u00fcnchen.example")
    assert settings(domain="xn--mnchen-3ya.example").site() == "https://xn--mnchen-3ya.example"


def test_links_begin_with_where_the_pages_are() -> None:
    assert settings(port="8123").site() == "http://127.0.0.1:8123"
    assert settings(domain="Hopmap.Example.org").site() == "https://hopmap.example.org"
    assert settings(port="0", unix="/run/m.sock").site() == "http://localhost"
    assert settings(host="::1", port="8123").site() == "http://[::1]:8123"


def test_a_gateway_is_a_socket_here_named_as_one_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(gateway="g.sock").gateway_socket() == f"{tmp_path}/g.sock"
    assert settings().gateway_socket() == ""
    with pytest.raises(UserError, match=r"gateway: 'unix:///run/g\.sock' must be the path of its socket"):
        settings(gateway="unix:///run/g.sock")


def test_a_line_of_a_services_own_tokens_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("agent,admin 0123456789abcdef\n")
    with pytest.raises(UserError, match="must begin with a token and nothing else"):
        settings(service_token_file=str(tmp_path / "tokens")).service_token()


def test_the_link_of_a_run_is_for_this_machine_alone() -> None:
    assert settings(sign_in="link").sign_in == "link"
    with pytest.raises(UserError, match="for this machine alone"):
        settings(sign_in="link", domain="hopmap.example.org")


def test_names_of_the_environment() -> None:
    environ = {"DYFI_DOMAIN": "x.dy.fi", "LOG_FILE": "/var/log/hopmap.log"}
    found = config.load(ManagerSettings, "manager", argparse.Namespace(), environ)
    assert (found.domain, found.log_file) == ("x.dy.fi", "/var/log/hopmap.log")
