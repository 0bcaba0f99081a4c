"""Which of several managers makes the agents' keys: the one that leads, whatever its rank."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.conftest import played

PLAY = """
- hosts: agents
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: agent
        tasks_from: leader
    - ansible.builtin.debug:
        msg: "keys come from {{ agent_leader }}"
"""


@contextmanager
def manager(status: int) -> Iterator[int]:
    """The port of one whose /ready answers that."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def asked(folder: Path, statuses: list[int], **told: str) -> str:
    """What is said to an agent of two managers."""
    with manager(statuses[0]) as first, manager(statuses[1]) as second:
        hosts = {"hub-1": {"manager_port": first}, "hub-2": {"manager_port": second}}
        common: dict[str, Any] = {"ansible_connection": "local"} | told
        inventory = {"all": {"vars": common}, "managers": {"hosts": hosts}, "agents": {"hosts": {"pi": None}}}
        return " ".join(played(folder, PLAY, inventory).stdout.split())


@pytest.mark.parametrize(
    ("statuses", "told", "said"),
    [
        ([503, 200], {"manager_dyfi_user": "you@example.org"}, "keys come from hub-2"),
        ([200, 503], {"manager_dyfi_user": "you@example.org"}, "keys come from hub-1"),
        ([503, 503], {"manager_dyfi_user": "you@example.org"}, "None of hub-1, hub-2 leads"),
        ([503, 200], {}, "keys come from hub-1"),  # they have nothing to do with each other
        ([200, 503], {"agent_manager": "hub-2"}, "keys come from hub-2"),
    ],
)
def test_keys_come_from_the_manager_that_leads(
    tmp_path: Path, statuses: list[int], told: dict[str, str], said: str
) -> None:
    assert said in asked(tmp_path, statuses, **told)
