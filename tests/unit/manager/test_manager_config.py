"""The manager's settings: loopback only, URLs that are URLs."""

import argparse

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
    with pytest.raises(UserError, match=r"no login yet.*SSH tunnel"):
        settings(host=host).listen_on()


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"'ftp://x' must begin with"):
        settings(inputs=["ftp://x"])


def test_too_many_services_are_refused() -> None:
    with pytest.raises(UserError, match=f"{MOST_WATCHED} can be watched"):
        settings(inputs=[f"http://127.0.0.1:{port}" for port in range(1000, 1000 + MOST_WATCHED)])
