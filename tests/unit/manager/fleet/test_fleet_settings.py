"""Keys of the fleet: what is wrong with each is said; and the fleet that they open."""

from pathlib import Path
from typing import Any

import pytest

from hopmap.config import build
from hopmap.errors import UserError
from manager.config import ManagerSettings
from manager.fleet.opening import open_fleet


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"private_networks": ("0.0.0.0/0",)}, "not a private network"),
        ({"private_networks": ("home",)}, "private_networks: 'home' is no network"),
        ({"alarm_webhook": "ftp://x.example"}, "alarm_webhook: .*http"),
        ({"alarm_webhook": "https://u:p@x.example"}, "alarm_webhook: .*no user"),
        ({"alarm_webhook": "https://x.example/a b"}, "plain characters"),
        ({"alarm_webhook": "https://x.example/a#b"}, "no fragment"),
        ({"alarm_webhook": "https://x.example?key=1"}, "no user, password, query"),
        ({"smtp": "localhost:25"}, "smtp: .*smtp://HOST"),
        ({"smtp": "smtp://u:p@localhost"}, "smtp://HOST"),
        ({"alarm_mail_to": ("nobody",)}, "alarm_mail_to: .*no mail address"),
        ({"alarm_mail_to": ("a@b\r\nBcc: c@d",)}, "no mail address"),
        ({"alarm_mail_from": "a b@c"}, "alarm_mail_from: .*no mail address"),
        ({"contact": "noc@example.org"}, "mailto:"),
        ({"contact": "mailto:a@b\r\nExpires: never"}, "mailto:"),
    ],
)
def test_wrong_keys(keys: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError, match=why):
        build(ManagerSettings, keys)


@pytest.mark.parametrize("key", ["service_token_file", "smtp_login_file"])
def test_files_that_cannot_be_read(tmp_path: Path, key: str) -> None:
    empty, odd = tmp_path / "empty", tmp_path / "odd"
    empty.write_text("\n")
    odd.write_bytes(b"\xff\xfe")
    for path in (empty, odd, tmp_path / "none"):
        settings = build(ManagerSettings, {key: str(path)})
        with pytest.raises(UserError, match=key):
            settings.service_token() if key == "service_token_file" else settings.mail_server()
    (tmp_path / "short").write_text("user\n")
    with pytest.raises(UserError, match="user and a password"):
        build(ManagerSettings, {"smtp_login_file": str(tmp_path / "short")}).mail_server()


def test_what_the_keys_open(house: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    settings = build(
        ManagerSettings,
        {
            "inputs": ("unix:///run/i.sock",),
            "outputs": ("http://localhost:8091",),
            "agents": ("http://localhost:8090",),
            "service_token_file": str(tmp_path / "token"),
            "alarm_webhook": "https://hooks.example.org/x",
            "alarm_mail_to": ("ops@example.org",),
            "gateway": "/run/gateway.sock",
            "contact": "mailto:noc@example.org",
        },
    )
    folder = tmp_path / "fleet"
    folder.mkdir()
    fleet = open_fleet(settings, folder, house.door, "http://localhost:8000")
    nodes = {node.kind: node for node in fleet.registry.all()}
    assert {kind: node.url for kind, node in nodes.items()} == {
        "input": "unix:///run/i.sock",
        "output": "http://localhost:8091",
        "agent": "http://localhost:8090",
    }
    assert fleet.registry.token(nodes["input"].id) == "0123456789abcdef"
    assert (fleet.contact, fleet.reports is not None) == ("mailto:noc@example.org", True)
    fleet.close()
