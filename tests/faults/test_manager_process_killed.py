"""kill -9 of `hopmap manager` and `hopmap gateway` themselves while somebody steers the fleet and makes keys on pages.

What a page has confirmed is there after the next start: the orders, whole and in the file that the gateway tells; API
keys open calls; the audit chain holds. Users and the registry are in test_manager_killed.py, with many more changes.
"""

import json
import random
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.control import decode_control
from manager import audit
from manager.vault import open_vault

from .fault_parts import ROUNDS, SEED, Part, call, until

KILLS = ROUNDS if ROUNDS >= 100 else max(1, ROUNDS // 4)


class Gateway(Part):
    """`hopmap gateway` on a unix socket; nobody is behind it."""

    name: ClassVar[str] = "gateway"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/g.sock"

    def words(self) -> list[str]:
        nobody = [f"--{kind}=unix://{self.folder}/nobody.sock" for kind in ("inputs", "outputs")]
        return ["gateway", "--port=0", f"--unix={self.folder}/g.sock", f"--state-dir={self.folder}/g", *nobody]

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200

    def opens(self, key: str) -> bool:
        return call(self.url, "GET", "/gateway/targets", headers={"Authorization": f"Bearer {key}"}).status == 503


class Manager(Part):
    """`hopmap manager` on a unix socket, where its link signs in."""

    name: ClassVar[str] = "manager"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/m.sock"

    def words(self) -> list[str]:
        nobody = [f"--{kind}=unix://{self.folder}/nobody.sock" for kind in ("inputs", "outputs")]
        own = [f"--state-dir={self.folder}/m", f"--gateway={self.folder}/g/gateway.sock", "--sign-in=link"]
        return ["manager", "--port=0", f"--unix={self.folder}/m.sock", *own, *nobody]

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200


class Person:
    """Somebody signed in at the manager's pages. Unreachable when that is killed meanwhile."""

    def __init__(self, manager: Manager) -> None:
        link = (manager.folder / "m/link").read_text().strip()
        self._client = Client(Endpoint.parse(manager.url))
        answer = self._client.request("GET", f"/in?{link.partition('?')[2]}")
        self._headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        page = self._client.request("GET", "/fleet", headers=self._headers).body.decode()
        (name, token) = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]{20,})"', page)[0]
        self._form = {name: token}

    def send(self, path: str, **fields: str) -> tuple[int, str]:
        """Status and text of the answer to a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        body = urlencode(self._form | fields).encode()
        answer = self._client.request("POST", path, body, self._headers | kind)
        return answer.status, answer.body.decode()

    def orders(self) -> tuple[bool, float, int]:
        """Stop, rate and version, as the page's numbers tell."""
        told = json.loads(self._client.request("GET", "/api/v1/fleet", headers=self._headers).body)["orders"]
        return told["stop"], told["rates"].get("packets_per_second", 0.0), told["version"]


class Told:
    """What pages have confirmed, and what was asked for when they went away."""

    def __init__(self) -> None:
        self.stop, self.rate, self.version = False, 0.0, 0
        self.keys: list[str] = []
        self.confirmed = self.cut = 0
        self.pending: tuple[bool, float] | None = None

    def steer(self, person: Person, rng: random.Random, step: int) -> None:
        """One change; AssertionError for an answer that is none."""
        what = rng.choice(("stop", "go", "rates", "rates", "key"))
        if what == "key":
            status, page = person.send("/keys/make", node=f"n{step}", days="30", targets="1")
            if status == 503:  # the gateway is gone
                raise Unreachable("no gateway")
            assert status == 200, page[:500]
            self.keys += re.findall(r">(hmk_[\w.-]+)<", page)
        else:
            then = {"stop": (True, self.rate), "go": (False, self.rate), "rates": (self.stop, float(step))}[what]
            self.pending = then
            fields = {"packets_per_second": str(step)} if what == "rates" else {}
            status, page = person.send(f"/fleet/{what}", **fields)
            assert status == 200, page[:500]
            self.pending, (self.stop, self.rate) = None, then
        self.confirmed += 1


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[Manager, Gateway]]:
    found = Manager(tmp_path), Gateway(tmp_path)
    yield found
    for part in found:
        if not part.is_dead():
            part.end(signal.SIGKILL)


def test_what_pages_confirmed_is_there_after_a_kill(parts: tuple[Manager, Gateway]) -> None:
    manager, gateway = parts
    folder, rng, told, step = manager.folder, random.Random(SEED), Told(), 1
    gateway.start()
    for _ in range(KILLS):
        manager.start()
        person = Person(manager)
        stop, rate, version = person.orders()
        if told.pending == (stop, rate):
            told.stop, told.rate = told.pending
        assert (stop, rate) == (told.stop, told.rate)
        assert version >= told.version
        document = decode_control(json.loads((folder / "m/control.json").read_text()))
        assert (document.version, document.stop) == (version, stop)
        assert [key for key in told.keys if not gateway.opens(key)] == []
        told.version, told.pending = version, None
        victims = [manager] if rng.random() < 0.7 else [manager, gateway]
        killer = threading.Timer(rng.random() * 0.6, lambda chosen=tuple(victims): [one.kill() for one in chosen])
        killer.start()
        try:
            while True:
                told.steer(person, rng, step)
                step += 1
        except Unreachable:
            told.cut += told.pending is not None
            step += 1
        killer.join()
        audit.verify(folder / "m" / audit.FILE, open_vault(folder / "m", {}, lambda _: b""))
        if gateway.process is None:
            gateway.start()
    until(gateway.ready, "the gateway is there")
    sys.stderr.write(
        f"{KILLS} kills, {told.confirmed} changes confirmed, {told.cut} cut, {len(told.keys)} keys given\n"
    )
    assert told.confirmed > KILLS
    assert told.keys
