"""From the first start of a manager to the stop of a whole fleet, as a person in a real browser does it.

Everything else is real too: input, output, gateway, and agents that probe the lab through its socket.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.fault_parts import Agent, Input, Part, until

from .conftest import free_port
from .looks import Album
from .person import PASSWORD, fresh_code, set_up, sign_in
from .world import World

pytestmark = pytest.mark.browser
STOP_SECONDS = 30


def test_from_the_first_start_to_the_stop_of_a_fleet(world: World, page: Any) -> None:
    made_the_first_admin(world)
    looked_at_what_is_empty(world)
    signed_in_with_a_fresh_code(world)
    confirmed_that_it_is_her(world)
    second = registered_a_service_by_its_url(world)
    saw_it_turn_red_within_two_polls(world, second)
    here = paused_an_agent_and_saw_it_stop(world)
    away = made_a_key_and_used_it_through_the_gateway(world)
    stopped_the_fleet_and_saw_every_agent_fall_silent(world, here, away)
    looked_at_what_everybody_sees(world)
    assert page.hosts == {urlsplit(world.manager.url).netloc}
    assert not [said for said in page.complaints if "status of 40" not in said]  # the wrong input of this story


def made_the_first_admin(world: World) -> None:
    world.go("/login")
    assert "Nobody can sign in yet" in world.page.text_content("main")
    world.album.look("login-empty")
    world.album.axe_sees()
    world.secret, world.used, world.codes = set_up(world.page, world.manager.first_link(), world.album.look)
    assert len(set(world.codes)) == 10


def looked_at_what_is_empty(world: World) -> None:
    world.album.look("overview-empty")
    world.page.click("text=How to add one")
    world.page.wait_for_selector("#first-agent")
    world.album.look("fleet-empty")
    for name in ("keys", "versions", "opt-outs"):
        world.go(f"/{name}")
        world.album.look(f"{name}-empty")


def signed_in_with_a_fresh_code(world: World) -> None:
    world.page.click("text=Sign out")
    world.page.wait_for_selector("h1:has-text('Sign in')")
    sign_in(world.page, world.used)
    world.page.wait_for_selector("#wrong")
    assert world.page.input_value("input[name=name]") == "alice"
    world.album.look("login-wrong")
    world.used = fresh_code(world.secret, world.used)
    sign_in(world.page, world.used)
    world.page.wait_for_selector("#headline")


def confirmed_that_it_is_her(world: World) -> None:
    world.ten_minutes_pass()
    world.go("/keys")
    assert "Confirm that it is you" in world.page.text_content("h1")
    world.album.look("confirm")
    for code in ("000000", world.codes[0]):
        world.page.fill("input[name=password]", PASSWORD)
        world.page.fill("input[name=code]", code)
        world.page.keyboard.press("Enter")
        world.page.wait_for_selector("#wrong" if code == "000000" else "h1:has-text('API keys')")
        if code == "000000":
            world.album.look("confirm-wrong")


def registered_a_service_by_its_url(world: World) -> Input:
    port = free_port()
    (world.folder / "second").mkdir()
    second: Input = world.start(Input(world.folder / "second", f"--port={port}"))
    register(world, f"http://127.0.0.1:{port}/?x")
    world.page.wait_for_selector("label:has(input[name=url]) .fault")
    assert world.page.input_value("input[name=url]") == f"http://127.0.0.1:{port}/?x"
    world.album.look("fleet-wrong")
    register(world, f"http://127.0.0.1:{port}")
    world.page.wait_for_selector("text=is registered: it is an input")
    until(lambda: world.node(named(second))["state"] == "ok", "the new service is well")
    return second


def register(world: World, url: str) -> None:
    world.go("/fleet")
    world.page.fill("input[name=url]", url)
    world.page.press("input[name=url]", "Enter")


def named(service: Input) -> str:
    """What the pages call it."""
    service.environment.setdefault("NAME", service.json("GET", "/service-info")["instance_id"])
    return service.environment["NAME"]


def saw_it_turn_red_within_two_polls(world: World, second: Input) -> None:
    name, before = named(second), world.manager.bad_polls()
    second.end(signal.SIGKILL)

    def red() -> bool:
        missed = world.manager.bad_polls() - before
        state = world.node(name)["state"]
        assert state == "silent" or missed < 2, f"{missed} polls came to nothing, and it is {state}"
        return bool(state == "silent")

    until(red, "it is shown as silent")
    world.go("/fleet")
    row = world.page.locator("tr", has=world.page.locator(f"text={name}"))
    assert row.locator(".mark.down").text_content() == "silent"
    assert "1 of 3 nodes needs a look" in world.page.text_content("h1")
    world.album.look("fleet-red")
    world.page.click(f"text={name}")
    world.page.wait_for_selector("text=Since its start")
    world.album.look("node-red")
    world.page.click("nav >> text=Alarms (1)")
    assert "One alarm goes on." in world.page.text_content("h1")
    assert "silent" in world.page.locator("tr", has_text=name).text_content()
    world.album.look("alarms")


def paused_an_agent_and_saw_it_stop(world: World) -> Agent:
    port = free_port()
    here = world.agent(0, health_check_port=port)
    register(world, f"http://127.0.0.1:{port}")
    world.page.click("th >> text=agent-0")
    world.page.click("text=Pause probing")
    world.page.wait_for_selector("text=is told to pause")
    assert "(paused)" in world.page.text_content("main")
    until(lambda: here.statistics()["halted"], "the agent hears it")
    assert world.is_silent(0)
    world.album.look("node-paused")
    return here


def made_a_key_and_used_it_through_the_gateway(world: World) -> Agent:
    world.go("/keys")
    form = "section:has(h2:has-text('Make a key'))"
    world.page.fill(f"{form} input[name=node]", "agent-1")
    world.page.fill(f"{form} input[name=days]", "for ever")
    world.page.press(f"{form} input[name=days]", "Enter")
    world.page.wait_for_selector("label:has(input[name=days]) .fault")
    assert world.page.input_value(f"{form} input[name=node]") == "agent-1"
    world.album.look("keys-wrong")
    world.page.fill(f"{form} input[name=days]", "30")
    world.page.fill(f"{form} input[name=node]", "agent-1")
    world.page.press(f"{form} input[name=node]", "Enter")
    key = world.page.text_content("code.secret")
    (world.folder / "key").write_text(key)
    world.album.look("keys-made")
    away = world.agent(
        1, gateway=world.gateway.url, token_file=str(world.folder / "key"), heartbeat_seconds=1, packets_per_second=20
    )
    until(lambda: world.node("agent-1")["state"] == "ok", "it reports through the gateway")
    assert world.is_silent(0), "the first agent was told to pause"
    assert not world.is_silent(1)
    assert key not in world.manager.log() + world.gateway.log()
    world.go("/keys")
    assert key not in world.page.content()
    assert "never" not in world.page.locator("tr", has_text="agent-1").text_content(), "it was used"
    world.album.look("keys")
    return away


def stopped_the_fleet_and_saw_every_agent_fall_silent(world: World, here: Agent, away: Agent) -> None:
    world.go("/fleet")
    world.page.click("th >> text=agent-0")
    world.page.click("text=Resume probing")
    until(lambda: not here.statistics()["halted"], "the paused agent goes on")
    until(lambda: not world.is_silent(0, 1.0), "it probes")
    world.go("/fleet")
    world.album.look("fleet")
    world.page.click("text=Stop the whole fleet")
    told = time.monotonic()
    world.page.wait_for_selector("h1:has-text('The fleet is stopped')")
    until(lambda: here.statistics()["halted"] and away.statistics()["halted"], "every agent hears it")
    took = time.monotonic() - told
    sys.stdout.write(f"every agent had stopped {took:.1f} s after the button was pressed\n")
    assert took < STOP_SECONDS
    assert world.is_silent(0)
    assert world.is_silent(1)
    world.album.look("fleet-stopped")
    for path in ("/", "/account", "/account/authenticator", "/audit", "/opt-outs"):
        world.go(path)
        world.album.look(path.strip("/").replace("/", "-") or "overview")
    world.go("/users")
    world.page.fill("section:has-text('Invite') input[name=name]", "bob")
    world.page.press("section:has-text('Invite') input[name=name]", "Enter")
    world.page.wait_for_selector("code.secret")
    world.album.look("users")
    world.go("/nowhere", 404)
    world.album.look("nowhere")
    world.go("/set-up?token=x", 403)
    world.album.look("set-up-used")


def looked_at_what_everybody_sees(world: World) -> None:
    address = (world.folder / "seeds").read_text().partition("/")[0]
    world.go("/")
    world.page.click("text=Sign out")
    world.page.wait_for_selector("h1:has-text('Sign in')")
    world.page.click("footer >> text=About")
    world.album.look("about")
    world.page.click("text=why an address is probed")
    world.page.fill("input[name=address]", address)
    world.page.press("input[name=address]", "Enter")
    world.page.wait_for_selector("h2 code")
    world.album.look("why")
    world.page.click("text=Have it left alone")
    world.page.fill("input[name=address]", "300.1.1.1")
    world.page.press("input[name=address]", "Enter")
    world.page.wait_for_selector("label:has(input[name=address]) .fault")
    world.album.look("opt-out-wrong")
    world.page.fill("input[name=address]", address)
    world.page.press("input[name=address]", "Enter")
    world.page.wait_for_selector("text=Do one of these")
    world.album.look("opt-out-request")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Any], Any]]:
    """Runs parts until the test ends, the newest first."""
    parts: list[Part] = []

    def run(part: Part) -> Part:
        parts.append(part)
        part.start()
        return part

    yield run
    for part in reversed(parts):
        if not part.is_dead():
            part.end(signal.SIGKILL)
        sys.stderr.write(f"--- {part.folder.name}/{part.name}\n{part.log()[-2000:]}\n")


@pytest.fixture
def world(page: Any, tmp_path: Path, start: Callable[[Any], Any]) -> World:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    album = Album(page, tmp_path / "screenshots", axe)
    sys.stderr.write(f"screenshots: {album.folder}\n")
    return World(page, album, tmp_path, start)
