"""The group atlases before there is the service: refused, before anything is done."""

from pathlib import Path

import pytest

from tests.unit.roles.conftest import played

PLAY = """
- hosts: atlases
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: atlas
        tasks_from: preflight.yml
"""


@pytest.mark.parametrize("has_it", [False, True])
def test_a_release_without_the_service_is_refused(tmp_path: Path, has_it: bool) -> None:
    (tmp_path / "services").mkdir()
    if has_it:
        (tmp_path / "services/atlas").mkdir()
    told = played(tmp_path, PLAY, {"atlases": {"hosts": {"map": None}, "vars": {"release_source": str(tmp_path)}}})
    said = " ".join(told.stdout.split())
    assert (told.returncode == 0) is has_it, said
    assert ("this release of hopmap has no atlas service" in said) is not has_it


def test_a_fleet_without_that_group_hears_nothing_of_it(tmp_path: Path) -> None:
    told = played(tmp_path, PLAY, {"inputs": {"hosts": {"hub": None}}})
    assert told.returncode == 0
    assert "no hosts matched" in told.stdout
    assert "WARNING" not in told.stderr
