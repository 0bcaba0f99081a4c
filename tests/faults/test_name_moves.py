"""Two managers of one name at dy.fi: the leader is killed, stopped, cut off; the other has the name in time."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pyotp
import pytest

from manager.failover.core.epoch import of_version
from tests.faults.fault_parts import until
from tests.faults.name_agents import Agents, stands_by
from tests.faults.name_box import NAME, Host, Net, watched
from tests.integration.manager.front_box import place, why_not

SECONDS = float(os.environ.get("HOPMAP_FAILOVER_SECONDS", "5"))  # between looks; 20 on a real machine
BACK = 180.0 * SECONDS / 20 + (20 if SECONDS < 20 else 0)  # starting and taking over take their time at any pace
STEP = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as made:
        yield made


def kill(leader: Host) -> None:
    leader.kill()


def stop(leader: Host) -> None:
    os.kill(leader.pid(), signal.SIGSTOP)


def cut_off(leader: Host) -> None:
    leader.machine.plug(into=False)


def heal(leader: Host) -> None:
    """Whatever was done, it is undone."""
    leader.machine.plug(into=True)
    assert leader.manager is not None
    if leader.manager.process.poll() is None:
        os.kill(leader.pid(), signal.SIGCONT)
    else:
        leader.start()


def moved(folder: Path, fault: Callable[[Host], None]) -> str:
    """One leader after the other; what happened, in a line."""
    folder.mkdir()
    with ExitStack() as stack:
        net = stack.enter_context(closing(Net(folder)))
        first, second = (stack.enter_context(closing(Host(net, rank, SECONDS))) for rank in (0, 1))
        stack.callback(lambda: sys.stderr.write(first.told() + second.told()))
        first.start(as_leader=True)
        browser = net.browser()
        until(lambda: browser.ask("GET", "/login")[0] == 200, "the first manager serves the name over TLS", 60)
        token = re.findall(r"set-up\?token=(\S+)", first.log())[0]
        secret = browser.set_up(token)
        second.start()
        until(lambda: second.leads() is False, "the second manager stands by", 60)
        until(lambda: of_version(net.version()) == 16, "the input has orders of the first epoch", 60)
        agents = Agents(net, first)
        until(lambda: stands_by(second), "its gateway stands by", 30)
        until(lambda: agents.are_known_to(second), "its gateway has what agents hold", 30)
        time.sleep(STEP - time.time() % STEP + 0.1)  # the code of setting up counts as used
        used = pyotp.TOTP(secret).now()
        signed_in = time.time()
        assert browser.sign_in(used)
        replica = second.state / "replica"
        until(lambda: replica.exists() and replica.stat().st_mtime > signed_in, "the other keeps a copy", 60)

        began = time.monotonic()
        fault(first)
        named = watched([first, second], BACK, lambda: net.dyfi.names[NAME] == second.machine.address, began)
        served = watched([first, second], BACK + 30, lambda: net.browser().ask("GET", "/login")[0] == 200, began)
        agents.find_what_they_had()
        assert browser.ask("GET", "/account")[0] == 200  # the session goes on
        assert not browser.sign_in(used)
        assert not browser.sign_in(pyotp.TOTP(secret).now()) or time.time() % STEP < 5
        time.sleep(STEP - time.time() % STEP + 0.1)
        fresh = pyotp.TOTP(secret).now()
        assert browser.sign_in(fresh)
        assert not net.browser().sign_in(fresh)
        until(lambda: of_version(net.version()) == 33, "the input has orders of the second epoch", 60)

        assert 'node="hopmap.dy.fi, rank 0" before=ok now=silent' in second.log()  # what letters are made of
        heal(first)
        watched([first, second], 60, lambda: first.leads() is False, time.monotonic())
        time.sleep(6 * SECONDS)
        assert (first.leads(), second.leads()) == (False, True)
        assert of_version(net.version()) == 33
        assert stands_by(first)
        assert 'node="hopmap.dy.fi, rank 0" before=silent now=ok' in second.log()
        assert net.dyfi.words == ["good"]
        assert net.dyfi.names[NAME] == second.machine.address
        return f"{fault.__name__}: name back after {named:.0f} s, pages over TLS after {served:.0f} s, 1 update"


@pytest.mark.net
@pytest.mark.skipif(bool(why_not()), reason=str(why_not()))
def test_the_name_is_back_in_time_with_one_writer_and_one_update(folder: Path) -> None:
    faults = (kill, stop, cut_off)
    with ThreadPoolExecutor(len(faults)) as pool:
        told = [pool.submit(moved, folder / fault.__name__, fault) for fault in faults]
        lines = [one.result() for one in told]
    sys.stderr.write(f"looks every {SECONDS:g} s\n" + "\n".join(lines) + "\n")
