"""From the public pages to the input: owners of addresses of a town of its own prove that they are theirs."""

import http.client
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from hopmap.wire import decode
from hopmap.wire.told import decode_told
from tests.faults.fault_parts import Input, Part, call, until
from tests.integration.manager.front_box import Daemon, Town

BY_FILE, BY_NAME, NOBODY = "62.1.2.3", "62.1.2.4", "62.1.2.5"  # addresses of the town's loopback alone
PORT = 8000


class Manager(Part):
    """`hopmap manager` in the town."""

    name: ClassVar[str] = "manager"

    def words(self) -> list[str]:
        source, nowhere = self.flags
        where = [f"--port={PORT}", f"--unix={self.folder}/m.sock", f"--state-dir={self.folder}/state"]
        return ["manager", *where, f"--inputs={source}", f"--outputs={nowhere}", "--contact=mailto:noc@example.org"]

    def ready(self) -> bool:
        return call(f"unix://{self.folder}/m.sock", "GET", "/ready").status == 200


@dataclass
class Place:
    """The town, the manager and an input; and somebody with a browser there."""

    folder: Path
    town: Town
    source: Input

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Status, where it leads, page."""

        def visit() -> tuple[int, str, str]:
            line = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            headers = {"Origin": f"http://127.0.0.1:{PORT}", "Content-Type": "application/x-www-form-urlencoded"}
            try:
                line.request(method, path, urlencode(fields or {}).encode() if fields else None, headers)
                found = line.getresponse()
                return found.status, found.getheader("Location", ""), found.read().decode()
            finally:
                line.close()

        return self.town.visit(visit)

    def request(self, address: str) -> dict[str, str]:
        """Ask for an address; the fields of the page that is come to."""
        status, to, page = self.ask("POST", "/opt-out", {"address": address})
        assert status == 303, page
        return dict(re.findall(r'name="(for|token)" value="([^"]+)"', self.ask("GET", to)[2]))

    def refused(self, address: str) -> str | None:
        answer = call(self.source.url, "GET", f"/address?ip={address}")
        return decode_told(decode.parse(answer.body)).refused


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces")
    town = Town(tmp_path, "127.0.0.1 localhost\n", [BY_FILE, BY_NAME, NOBODY])
    (tmp_path / "seeds").write_text("62.1.2.0/29\n")
    source = Input(tmp_path, f"--seeds={tmp_path}/seeds")
    source.start()
    manager = Manager(tmp_path, source.url, f"unix://{tmp_path}/none.sock", inside=town.inside)
    try:
        manager.start()
        yield Place(tmp_path, town, source)
    finally:
        for part in (manager, source):
            if part.process is not None and not part.is_dead():
                part.end()
        town.close()


def test_owners_prove_it_and_every_input_leaves_them_alone(place: Place) -> None:
    assert "whoever runs this chose" in place.ask("GET", f"/why?address={BY_FILE}")[2]
    by_file, by_name, by_nobody = (place.request(one) for one in (BY_FILE, BY_NAME, NOBODY))
    known = place.folder / "www" / ".well-known"
    known.mkdir(parents=True)
    (known / "hopmap-opt-out.txt").write_text(f"{by_file['token']}\n")
    (place.folder / "hosts").write_text(
        f"127.0.0.1 localhost\n{BY_NAME} hopmap-opt-out-{by_name['token']}.example.org\n"
    )
    argv = [sys.executable, "-m", "http.server", "--bind", BY_FILE, "--directory", place.folder / "www", 80]
    web = Daemon(place.town, place.folder / "web.log", argv)
    try:
        until(lambda: not place.town.visit(lambda: _is_away(BY_FILE)), "the owner's server answers")
        for fields in (by_file, by_name):
            status, _, page = place.ask("POST", "/opt-out/check", fields)
            assert status == 200, page
            (receipt,) = re.findall(r"hopmap-receipt:[^<]+", page)
            assert "It is left alone." in place.ask("POST", "/opt-out/receipt", {"receipt": receipt})[2]
        status, _, page = place.ask("POST", "/opt-out/check", by_nobody)
        assert (status, "No proof was found" in page) == (409, True)
    finally:
        web.close()
    until(lambda: place.refused(BY_FILE) == place.refused(BY_NAME) == "opt-out", "the input leaves them alone")
    assert place.refused(NOBODY) is None
    assert "It is left alone since" in place.ask("GET", f"/why?address={BY_NAME}")[2]


def _is_away(address: str) -> bool:
    line = http.client.HTTPConnection(address, 80, timeout=2)
    try:
        line.connect()
    except OSError:
        return True
    finally:
        line.close()
    return False
