"""`hopmap up`: check, start every part, wait until all are ready, show how the map grows, end all."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence

from hopmap import config
from hopmap.data import asn
from hopmap.identity import make_directory, write_whole
from hopmap.up import checks, consent, view
from hopmap.up.children import Child, Crew
from hopmap.up.config import UpSettings
from hopmap.up.numbers import Rates, Watch, is_ready
from hopmap.up.parts import Part, Places, agent_configs, plan

READY_WITHIN_SECONDS = 120.0
LOOK_EVERY_SECONDS = 1.0
LOG_BYTES = 4 << 20
_USER_ERROR = 2

EXAMPLES = """\
  hopmap up                                     map the lab's internet, with live pages
  hopmap up --agents 8 --seed 7 --data-dir w7   more agents, another world
  hopmap up --data-dir /tmp/try --manager-port 9000
  hopmap up --world internet --contact mailto:you@example.org
  hopmap up --world internet --contact mailto:you@example.org --lan 192.168.1.5      with workers in your network
"""


class PartEnded(Exception):
    """A part stopped by itself, or never became ready: nothing is worth watching any more."""

    def __init__(self, child: Child, why: str) -> None:
        self.child = child
        super().__init__(f"{child.name} {why}")


def run(argv: list[str]) -> int:
    """Run everything until Ctrl-C. Exit code 0 then, 1 when a part died, 2 for what the user can mend."""
    flags = config.parser("up", "Run everything on this machine and watch the map grow.", EXAMPLES)
    config.add_flags(flags, UpSettings)
    settings = config.load(UpSettings, "up", flags.parse_args(argv), config.environment())
    data = settings.directory()
    checks.check_packages()
    checks.check_contact(settings.world, settings.contact)
    stop = threading.Event()
    with contextlib.ExitStack() as held:
        held.enter_context(checks.locked(data))
        checks.check_world(data, settings.mapped())
        checks.check_ports(settings.ports())
        checks.check_ports({"--gateway-port": settings.gateway_port}, settings.gateway_host())
        if settings.world == "internet":
            consent.ask_here(settings, data)
        _stop_on_signals(stop)
        places = Places(data, held.enter_context(checks.socket_directory(data, os.environ)))
        return _run_parts(settings, places, stop)


def _run_parts(settings: UpSettings, places: Places, stop: threading.Event) -> int:
    """Start, watch and end the parts; the exit code."""
    screen = view.screen(settings.terminal)
    checks.note_world(places.data, settings.mapped())
    for path, text in agent_configs(settings, places).items():
        make_directory(path.parent)
        write_whole(path, text.encode())
    make_directory(places.data / "logs")
    crew = Crew(places.data / "logs")
    try:
        for parts in plan(settings, places):
            _start(crew, parts, stop, screen)
        if not stop.is_set():
            _watch(settings, places, crew, stop, screen)
    except PartEnded as ended:
        return _tell_end(ended)
    finally:
        screen.say("ending ...")
        for name in crew.end():
            sys.stderr.write(f"hopmap up: {name} did not end in time and was killed\n")
    return 0


def _start(crew: Crew, parts: Sequence[Part], stop: threading.Event, screen: view.Screen) -> None:
    """Start parts and wait until they are ready; PartEnded when that fails."""
    if stop.is_set():
        return
    started = [(part, crew.start(part.name, part.argv)) for part in parts]
    for part, child in started:
        _wait(crew, part, child, stop, screen)


def _wait(crew: Crew, part: Part, child: Child, stop: threading.Event, screen: view.Screen) -> None:
    told = ""
    while not stop.wait(0.1):
        _raise_if_dead(crew)
        why = is_ready(part.ready) if part.ready else _first_line(child)
        if why is None:
            screen.say(
                f"  {part.name:<9} ready after {time.monotonic() - child.began:4.1f} s   {_said(part, child)}".rstrip()
            )
            return
        if why not in {told, "starting"}:
            screen.say(f"  {part.name:<9} {why}")
            told = why
        if time.monotonic() - child.began > READY_WITHIN_SECONDS:
            raise PartEnded(child, f"was not ready within {READY_WITHIN_SECONDS:.0f} s ({why})")


def _first_line(child: Child) -> str | None:
    """A part without /ready says in its first line that it is under way."""
    return None if child.tail(1) else "starting"


def _said(part: Part, child: Child) -> str:
    return "" if part.ready else "; ".join(child.tail(1))


def _watch(settings: UpSettings, places: Places, crew: Crew, stop: threading.Event, screen: view.Screen) -> None:
    """Show the numbers until asked to stop; PartEnded when a part dies."""
    url = places.way_in() or f"http://127.0.0.1:{settings.manager_port}/"
    screen.say(f"\n  hopmap is running: open {url}\n{_invitation(settings, places)}")
    table, rates = asn.load(), Rates()

    def as_name(address: int) -> str:
        found = table.lookup(address)
        return "" if found is None else f"AS{found.number}"

    watch = Watch(f"http://127.0.0.1:{settings.input_port}", f"http://127.0.0.1:{settings.output_health_port}")
    with contextlib.closing(watch):
        while not (stop.wait(LOOK_EVERY_SECONDS) or screen.lost):
            _raise_if_dead(crew)
            crew.bound_logs(LOG_BYTES)
            numbers = watch.look(view.NEWEST)
            now = time.monotonic()
            rates.add(now, numbers.totals)
            block = view.block(numbers, rates, as_name, url, shutil.get_terminal_size())
            screen.show(now, block, view.summary(numbers, rates))


def _invitation(settings: UpSettings, places: Places) -> str:
    """How workers elsewhere come here, where that was asked for."""
    if not settings.lan:
        return ""
    return (
        f"  workers in your network come to http://{settings.lan}:{settings.gateway_port}, each with a key:\n"
        f"    hopmap manager key ensure NAME --admin-unix {places.gateway_socket}\n"
    )


def _raise_if_dead(crew: Crew) -> None:
    child = crew.dead()
    if child is not None:
        raise PartEnded(child, f"ended by itself with code {child.exit_code}")


def _tell_end(ended: PartEnded) -> int:
    """Say what a part ended with. Exit code 2 when it was something that the user can mend, else 1."""
    child = ended.child
    if child.exit_code == _USER_ERROR and child.tail(1):
        reason = child.tail(1)[0].removeprefix(f"hopmap {child.name}: ")
        sys.stderr.write(f"hopmap up: {child.name} can't run: {reason}\n")
        return _USER_ERROR
    lines = [f"hopmap up: {ended}; its last lines (all of them in {child.log}):", *_indented(child.tail())]
    sys.stderr.write("\n".join(lines) + "\n")
    return 1


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines] or ["    (it said nothing)"]


def _stop_on_signals(stop: threading.Event) -> None:
    """Ctrl-C, SIGTERM and a closed terminal all ask for the orderly end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
