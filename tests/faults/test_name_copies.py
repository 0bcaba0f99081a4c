"""Two managers of one name that look a minute apart: what is changed at the leader is at the other within seconds."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import pytest

from manager import audit
from manager.failover import replica
from manager.server_key import load
from tests.faults.fault_parts import until
from tests.faults.name_agents import made, managed
from tests.faults.name_box import KEY, Host, Net
from tests.integration.manager.front_box import place, why_not

SECONDS = 60.0  # between looks, which come up to a quarter early
SOON = 20.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as made_folder:
        yield made_folder


def node_states(host: Host) -> dict[str, str]:
    return {one["node"]: one["state"] for one in managed(host, "GET", "/keys")[1]["keys"]}


def log_of_copy(host: Host) -> bytes:
    """The audit log in what a manager that stands by keeps."""
    key = load(host.state, {"SERVER_KEY": KEY}, bytes, first_start=False).current.peer
    return replica.opened(key, (host.state / replica.FILE).read_bytes())[audit.FILE]


@pytest.mark.net
@pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
def test_a_change_is_copied_long_before_the_next_look(folder: Path) -> None:
    took: list[float] = []
    with ExitStack() as stack:
        net = stack.enter_context(closing(Net(folder)))
        first, second = (stack.enter_context(closing(Host(net, rank, SECONDS))) for rank in (0, 1))
        stack.callback(lambda: sys.stderr.write(first.told() + second.told()))
        first.start(as_leader=True)
        browser = net.browser()
        until(lambda: browser.ask("GET", "/login")[0] == 200, "the first manager serves the name over TLS", 60)
        until(lambda: managed(first, "POST", "/keys/ensure", {"node": "n0"})[0] == 200, "its gateway makes keys", 60)
        second.start()
        until((second.state / replica.FILE).exists, "the second has a copy", 90)

        def copied(change: Callable[[], object], there: Callable[[], bool], what: str) -> None:
            change()
            began = time.monotonic()
            until(there, what, SOON)
            took.append(time.monotonic() - began)

        copied(lambda: made(first, "n1"), lambda: node_states(second).get("n1") == "live", "a key is there")
        for number in range(2, 5):
            node = f"n{number}"
            copied(lambda node=node: made(first, node), lambda node=node: node in node_states(second), "the next is")
        copied(
            lambda: managed(first, "POST", "/keys/revoke", {"node": "n1"}),
            lambda: node_states(second)["n1"] == "revoked",
            "it is revoked there",
        )
        token = re.findall(r"set-up\?token=(\S+)", first.log())[0]
        browser.set_up(token)
        log = first.state / audit.FILE
        copied(log.read_bytes, lambda: log_of_copy(second) == log.read_bytes(), "the new admin is in the copy")
        sys.stderr.write(f"{len(took)} changes copied after {median(took):.1f} s, at most {max(took):.1f} s\n")
