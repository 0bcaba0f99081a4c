"""`hopmap up --lan` on the internet, where there is none: a namespace with loopback and one private address."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.client import Client, Endpoint, Response
from tests.faults.fault_parts import ROOT, until
from tests.integration.manager.front_box import Town

ADDRESS, PORT = "192.168.77.5", 8095


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    if os.geteuid() != 0:
        pytest.skip("needs root: a network namespace without a way out")
    made = Town(tmp_path, "127.0.0.1 localhost\n", [ADDRESS])
    yield made
    made.close()


def test_a_worker_in_the_network_comes_in_with_a_key_and_the_pages_stay_here(town: Town, tmp_path: Path) -> None:
    argv = [*town.inside, sys.executable, "-m", "hopmap", "up", "--world=internet", "--contact=mailto:you@example.org",
            "--yes", f"--lan={ADDRESS}", f"--data-dir={tmp_path}/d", "--seed-budget=500"]  # fmt: skip
    out = tmp_path / "out"
    with out.open("wb") as file:
        run = subprocess.Popen(argv, cwd=ROOT, stdout=file, stderr=file, env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        until(lambda: run.poll() is not None or "is running" in out.read_text(), "it runs", 120)
        said = out.read_text()
        assert run.poll() is None, said
        assert f"workers in your network come to http://{ADDRESS}:{PORT}, each with a key" in said
        (told,) = (line for line in said.splitlines() if "key ensure NAME" in line)
        words = told.replace("NAME", "attic").split()
        made = subprocess.run(
            [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )

        def call(key: str | None) -> Response:
            with Client(Endpoint.parse(f"http://{ADDRESS}:{PORT}"), key, [f"{ADDRESS}/32"]) as client:
                return client.request("GET", "/gateway/targets?count=3")

        assert len(json.loads(town.visit(lambda: call(made.stdout.strip())).body)["targets"]) == 3
        assert town.visit(lambda: call(None)).status == 401
        assert listening(town) == {f"{ADDRESS}:{PORT}"}
    finally:
        run.send_signal(signal.SIGINT)
        assert run.wait(40) == 0


def listening(town: Town) -> set[str]:
    """What can be reached from other machines."""
    found = subprocess.run([*town.inside, "ss", "-Hltn"], capture_output=True, text=True, timeout=30, check=True)
    places = {line.split()[3] for line in found.stdout.splitlines()}
    return {place for place in places if not place.startswith("127.")}
