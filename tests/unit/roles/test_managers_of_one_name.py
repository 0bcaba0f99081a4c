"""What the roles make of an inventory with two managers of one name at dy.fi, as hopmap itself reads it."""

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.unit.roles.conftest import BIN, ROOT, played

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NAME = {
    "manager_domain": "maps.dy.fi",
    "manager_dyfi_user": "you@example.org",
    "manager_contact": "mailto:you@example.org",
}
SECRETS = {"manager_dyfi_password": "word: of dy.fi", "manager_server_key": KEY}
# the role's own checks and variables; its tasks proper are for booted hosts
PLAY = f"""
- hosts: managers
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: manager
        tasks_from: preflight.yml
    - ansible.builtin.template:
        src: {ROOT}/roles/service/templates/{{{{ item }}}}.j2
        dest: "{{{{ folder }}}}/{{{{ inventory_hostname }}}}.{{{{ item }}}}"
        mode: "0600"
      loop: [settings.yaml, service]
      vars:
        service_name: manager
        service_description: pages
        service_state_key: state_dir
        service_state_mode: "0710"
        service_groups: []
        service_memory_max: 512M
        service_settings: "{{{{ manager_keys }}}}"
        service_secrets: "{{{{ manager_secrets }}}}"
        service_writes: "{{{{ [manager_front] if manager_is_one_of_several else [] }}}}"
    - ansible.builtin.template:
        src: {ROOT}/roles/caddy/templates/hopmap.conf.j2
        dest: "{{{{ folder }}}}/{{{{ inventory_hostname }}}}.front"
        mode: "0600"
      vars:
        caddy_user: "{{{{ 'hopmap-manager' if manager_is_one_of_several else 'caddy' }}}}"
        caddy_storage: "{{{{ manager_front if manager_is_one_of_several else '/var/lib/caddy' }}}}"
        caddy_groups: [hopmap-manager, hopmap-gateway]
"""


class Rolled(NamedTuple):
    """Exit code, what Ansible said, and the folder of what it wrote."""

    code: int
    said: str
    folder: Path

    def settings(self, host: str) -> dict[str, Any]:
        """Of a host's manager."""
        found: dict[str, Any] = yaml.safe_load((self.folder / f"{host}.settings.yaml").read_text(encoding="utf-8"))
        return found

    def text(self, host: str, kind: str) -> str:
        """Of a host's unit or front."""
        return (self.folder / f"{host}.{kind}").read_text(encoding="utf-8")


def rolled(folder: Path, managers: list[str], **told: str) -> Rolled:
    inventory = {"managers": {"hosts": {name: {} for name in managers}, "vars": {**told, "folder": str(folder)}}}
    done = played(folder, PLAY, inventory)
    return Rolled(done.returncode, done.stdout + done.stderr, folder)


def hopmap(*argv: object) -> str:
    done = subprocess.run([BIN / "hopmap", *map(str, argv)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Rolled:
    found = rolled(tmp_path_factory.mktemp("two"), ["hub-1", "hub-2"], **NAME, **SECRETS)
    assert found.code == 0, found.said
    return found


def test_each_has_its_place_and_all_else_is_the_same(two: Rolled) -> None:
    first, second = two.settings("hub-1"), two.settings("hub-2")
    assert (first.pop("rank"), second.pop("rank")) == (0, 1)
    assert first == second
    assert (first["domain"], first["dyfi_user"]) == ("maps.dy.fi", "you@example.org")


@pytest.mark.parametrize("host", ["hub-1", "hub-2"])
def test_the_manager_takes_them_and_writes_a_front_that_begins_idle(two: Rolled, host: str) -> None:
    settings = two.folder / f"{host}.settings.yaml"
    hopmap("check-config", "--part", "manager", settings)
    front = hopmap("manager", "caddyfile", "--config", settings)
    assert "admin unix//var/lib/hopmap-front/admin.sock" in front
    assert "maps.dy.fi" not in front


@pytest.mark.parametrize("host", ["hub-1", "hub-2"])
def test_the_front_belongs_to_the_manager_who_may_write_to_it(two: Rolled, host: str) -> None:
    assert "ReadWritePaths=/var/lib/hopmap-front\n" in two.text(host, "service")
    front = two.text(host, "front")
    for line in (
        "User=hopmap-manager",
        "SupplementaryGroups=hopmap-manager hopmap-gateway",
        "ExecReload=",
        "StateDirectory=hopmap-front",
    ):
        assert f"{line}\n" in front


def test_secrets_reach_it_as_credentials_alone(two: Rolled) -> None:
    unit = two.text("hub-1", "service")
    assert "LoadCredential=dyfi_pass_file:/etc/hopmap/secrets/manager-dyfi_pass_file\n" in unit
    assert "Environment=HOPMAP_MANAGER_DYFI_PASS_FILE=%d/dyfi_pass_file\n" in unit
    for path in two.folder.glob("hub-*"):
        assert not [secret for secret in SECRETS.values() if secret in path.read_text(encoding="utf-8")], path.name
    assert not [secret for secret in SECRETS.values() if secret in two.said]


def test_one_manager_leads_without_a_rank_and_its_front_is_debians(tmp_path: Path) -> None:
    one = rolled(tmp_path, ["hub"], **NAME, manager_dyfi_password="word")
    assert one.code == 0, one.said
    settings = one.settings("hub")
    assert settings["dyfi_user"] == "you@example.org"
    assert not {"rank", "caddy_storage"} & set(settings)
    hopmap("check-config", "--part", "manager", one.folder / "hub.settings.yaml")
    assert "User=" not in one.text("hub", "front")


@pytest.mark.parametrize(
    ("managers", "left_out", "why"),
    [
        (["hub"], "manager_domain", "manager_domain, the name that dy.fi keeps"),
        (["hub"], "manager_dyfi_password", "manager_dyfi_password (in a vault)"),
        (["hub-1", "hub-2"], "manager_server_key", "openssl rand -base64 32 makes one"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, managers: list[str], left_out: str, why: str) -> None:
    refused = rolled(tmp_path, managers, **{name: word for name, word in (NAME | SECRETS).items() if name != left_out})
    assert refused.code != 0
    assert why in " ".join(refused.said.split())
