"""The Caddyfile: golden text, what can't stand in it, and what Caddy itself makes of it."""

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hopmap import config
from hopmap.errors import UserError
from manager import command
from manager.config import ManagerSettings
from manager.core.front import GATEWAY_BYTES, PAGES_BYTES, STORAGE, Front, caddyfile
from manager.gateway.config import GatewaySettings

GOLDEN = Path(__file__).parents[3] / "golden" / "Caddyfile"
WHOLE = (
    "--domain=Hopmap.Example.org", "--email=you@example.org", "--unix=/run/hopmap-manager/front.sock",
    "--gateway-unix=/run/hopmap-gateway/front.sock",
)  # fmt: skip


def front(**given: Any) -> Front:
    return Front(**{"domain": "hopmap.example.org", "pages_socket": "/run/m.sock"} | given)


def test_the_command_prints_the_golden_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["caddyfile", *WHOLE]) == 0
    assert capsys.readouterr().out == GOLDEN.read_text()


def test_a_front_without_a_gateway_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(["caddyfile", *WHOLE[:3]]) == 0
    assert "no gateway_unix is set" in capsys.readouterr().err
    command.run(["caddyfile", *WHOLE])
    assert capsys.readouterr().err == ""


def test_what_is_not_set_does_not_stand_there() -> None:
    text = caddyfile(front())
    assert "email" not in text
    assert "/gateway/" not in text
    assert "acme_ca_root" not in text
    text = caddyfile(front(acme_root="/etc/ca.pem", acme_directory="https://[::1]:14000/dir"))
    assert "\tacme_ca https://[::1]:14000/dir\n\tacme_ca_root /etc/ca.pem\n" in text


@pytest.mark.parametrize("key", ["pages_socket", "gateway_socket", "storage", "acme_root"])
@pytest.mark.parametrize("path", ["relative", "/a b", "/a{env.HOME}", '/a"', "/a\n}", "/", "/a#", "/\u00e4", ""])
def test_a_path_that_would_mean_something_else_is_refused(key: str, path: str) -> None:
    with pytest.raises(ValueError, match="must be an absolute path of letters"):
        front(**{key: path})


@pytest.mark.parametrize("url", ["http://ca.example/dir", "https://", "https://ca/{x}", "https://ca/a b", "ca"])
def test_a_directory_that_is_no_https_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"acme_directory: .* must be an https URL"):
        front(acme_directory=url)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"unix": "/run/m.sock"}, "give --domain"),
        ({"domain": "x.fi"}, "give --unix PATH"),
        ({"domain": "x.fi", "unix": "/run/m m"}, "unix: '/run/m m' must be"),
        ({"domain": "x.fi", "unix": "/m", "caddy_storage": "/a{"}, "caddy_storage: '/a{' must be"),
    ],
)
def test_settings_that_make_no_front(given: dict[str, str], why: str) -> None:
    settings = config.build(ManagerSettings, given)
    with pytest.raises(UserError) as refused:
        settings.front()
    assert why in str(refused.value)


def test_an_email_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="email 'you' is no mail address"):
        config.build(ManagerSettings, {"email": "you"})


@pytest.mark.parametrize("email", ["{env.HOME}@x.fi", "#a@x.fi", "a`b@x.fi"])
def test_an_email_that_would_mean_something_else_is_refused(email: str) -> None:
    with pytest.raises(UserError, match="has a sign that means something to Caddy"):
        config.build(ManagerSettings, {"domain": "x.fi", "unix": "/m", "email": email}).front()


def test_the_email_comes_from_its_own_variable_and_paths_become_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    given = argparse.Namespace(domain="x.fi", unix="m.sock", gateway_unix="g.sock", acme_root="ca.pem")
    found = config.load(ManagerSettings, "manager", given, {"ACME_EMAIL": "a@example.org"}).front()
    assert found == Front("x.fi", "/m.sock", "/g.sock", "a@example.org", STORAGE, acme_root="/ca.pem")


def test_the_front_lets_through_what_the_gateway_takes() -> None:
    assert GatewaySettings().max_body_mb * 1e6 == GATEWAY_BYTES


@pytest.mark.skipif(not shutil.which("caddy"), reason="needs caddy")
def test_caddy_reads_what_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text(caddyfile(front(gateway_socket="/run/g.sock", storage=str(tmp_path), email="a@example.org")))
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}

    def caddy(*words: str) -> str:
        argv = ["caddy", *words, "--config", str(path), "--adapter", "caddyfile"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    formatted = subprocess.run(["caddy", "fmt", path], capture_output=True, text=True, timeout=60, check=False)
    assert formatted.stdout == path.read_text()
    caddy("validate")
    read = json.loads(caddy("adapt"))
    (server,) = read["apps"]["http"]["servers"].values()
    (site,) = server["routes"]
    assert (server["listen"], site["match"]) == ([":443"], [{"host": ["hopmap.example.org"]}])
    assert "trusted_proxies" not in json.dumps(read)  # whose headers would then be believed
    ways = [route for route in site["handle"][0]["routes"] if "group" in route]
    assert len({way["group"] for way in ways}) == 1  # the first that fits is the only one
    told = [(way.get("match"), *_bounds(way)) for way in ways]
    assert told == [
        ([{"path": ["/gateway/*"]}], GATEWAY_BYTES, "unix//run/g.sock"),
        (None, PAGES_BYTES, "unix//run/m.sock"),
    ]


def _bounds(way: dict[str, Any]) -> tuple[int, str]:
    """The largest body and the socket of a way; each request is read whole first."""
    limit, refused, proxy = (handler for route in way["handle"][0]["routes"] for handler in route["handle"])
    assert refused["status_code"] == 413
    assert proxy["buffer_requests"]
    assert proxy["buffer_responses"]
    assert proxy["headers"]["request"]["delete"] == ["X-Real-IP", "Forwarded"]
    return limit["max_size"], proxy["upstreams"][0]["dial"]
