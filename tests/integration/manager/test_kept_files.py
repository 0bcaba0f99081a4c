"""Every file that a manager or a gateway keeps is in its backup, or the documentation says why it is left out."""

import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault_parts import ROOT, Part
from tests.integration.manager.front_site import Gateway, Manager
from tests.integration.manager.test_manager_process import hopmap

PAGE = (ROOT / "docs" / "manager.md").read_text()


@pytest.fixture
def start() -> Iterator[Callable[[Part], Any]]:
    started: list[Part] = []

    def begin(part: Part) -> Part:
        started.append(part)
        part.start()
        return part

    yield begin
    for part in started:
        part.end()


def named(head: str) -> set[str]:
    """The files in the first column of a table of the page."""
    table = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`([\w.-]+)/?`", row.split("|")[1])}


def kept(folder: Path) -> set[str]:
    return {re.sub(r"-(wal|shm)$", "", path.name) for path in folder.iterdir() if not path.is_socket()}


def test_a_file_is_in_the_backup_or_is_left_out_for_a_reason(tmp_path: Path, start: Callable[[Part], Any]) -> None:
    start(Manager(tmp_path))
    gateway = start(Gateway(tmp_path))
    gateway.key("attic")
    state, gateway_state = tmp_path / "manager-state", tmp_path / "gateway-state"
    source = tmp_path / "b.tar.gz"
    done = hopmap("backup", source, f"--state-dir={state}", f"--gateway-state-dir={gateway_state}")
    assert done.returncode == 0, done.stderr
    with tarfile.open(source) as tar:
        inside = {Path(name).name for name in tar.getnames()}
    assert inside - {"manifest.json"} <= named("in a backup")
    assert kept(state) | kept(gateway_state) <= inside | named("left out")
    assert not inside & named("left out")
