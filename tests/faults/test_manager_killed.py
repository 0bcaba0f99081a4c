"""kill -9 of who changes what the manager and its gateway keep, at random: what was acknowledged is there.

Users, nodes of the registry, orders (pauses, opt-outs, the wanted agent), API keys; the keys of the vault are changed
in between, and the audit chain must hold after every kill.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from manager import archive, audit, server_key
from manager.auth.opening import open_door
from manager.core.passwords import Cost
from manager.fleet.control import Steering
from manager.fleet.registry import Registry
from manager.keys import KeyStore, Refused
from manager.vault import open_vault

from .fault_parts import ROUNDS, SEED

# Makes changes as the pages and the gateway's socket do; says what it will do ("will KIND NAME VALUE") and that it is
# done. A value of - takes away.
CHANGER = """
import sys, os, random, itertools, time
from pathlib import Path
from hopmap.wire.control import OptOut
from manager.archive import rotate_key
from manager.auth.opening import open_door
from manager.core.passwords import Cost
from manager.core.users import User
from manager.fleet.control import Steering
from manager.fleet.core.node import Node
from manager.fleet.core.orders import Change
from manager.fleet.registry import Registry
from manager.keys import KeyStore

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

if rng.random() < 0.2:
    say("rotate")
    rotate_key(folder, {}, os.urandom)
door = open_door(folder, {}, cost=Cost(64, 1))
vault, log = door.accounts.records
registry = Registry(vault, log, (), lambda: os.urandom(8).hex(), lambda: "2026-01-01")
steering = Steering(folder, vault, log)
keys = KeyStore(folder, time.time, os.urandom)
say("open")

def user(step):
    name = f"u{rng.randrange(30)}"
    present = door.accounts.get(name)
    if present is not None and rng.random() < 0.3:
        say("will", "user", name, "-")
        door.accounts.remove("x", name)
        return
    say("will", "user", name, step)
    if present is None:
        door.accounts.put("x", User(name, "viewer", "p", "t", step, (), ""), "user_set_up")
    else:
        door.accounts.change("x", name, "role_changed", step=step)

def node(step):
    name = f"n{rng.randrange(20)}"
    present = next((one for one in registry.all() if one.name == name), None)
    if present is not None and rng.random() < 0.3:
        say("will", "node", name, "-")
        registry.remove("x", present.id)
        return
    say("will", "node", name, step)
    if present is None:
        registry.add("x", Node("", f"http://{name}.example:8090", "agent", "", name, notes=str(step)), token=f"t{step}")
    else:
        registry.change("x", present.id, notes=str(step))

def order(step):
    what = rng.choice(("pause", "optout", "wanted"))
    take = rng.random() < 0.4
    place = rng.randrange(20)
    name = {"wanted": "agent", "optout": f"9.9.{place}.0/24", "pause": f"a{place}"}[what]
    say("will", what, name, "-" if take else f"0.{step}" if what == "wanted" else "on")
    change = {
        ("pause", False): Change(pause=frozenset({name})), ("pause", True): Change(resume=frozenset({name})),
        ("optout", False): Change(opt_out=(OptOut(name, "asked"),)), ("optout", True): Change(opt_in=(name,)),
        ("wanted", False): Change(agent_version=f"0.{step}", agent_sha256=f"{step:064x}"),
        ("wanted", True): Change(agent_version=""),
    }[what, take]
    steering.change("x", change)

def key(step):
    name = f"k{rng.randrange(20)}"
    if rng.random() < 0.3:
        say("will", "key", name, "-")
        keys.revoke(name)
        return
    say("will", "key", name, "?")
    say("key", name, keys.rotate(name))

for step in itertools.count():
    rng.choice((user, user, node, order, key))(step)
    say("did", steering.orders.version)
    if rng.random() < 0.2:
        door.links.make("x", "viewer", f"u{rng.randrange(30)}", 60.0)
    if rng.random() < 0.3:
        door.sessions.begin("u", "192.0.2.1", "x")
"""
Kept = dict[tuple[str, str], str]


class Ledger:
    """What was acknowledged: values by kind and name; `given` are keys that must open, `ended` those that must not.

    `unused` are the nodes whose given key nobody has opened anything with yet: the next key may end it.
    """

    def __init__(self) -> None:
        self.kept: Kept = {}
        self.given: dict[str, str] = {}
        self.ended: list[str] = []
        self.unused: set[str] = set()
        self.version = 0

    def follow(self, lines: list[str]) -> tuple[str, str, str] | None:
        """Take in what a changer said; the change that was under way, if any."""
        pending: tuple[str, str, str] | None = None
        for words in map(str.split, lines):
            if words[0] == "will" and len(words) == 4:
                pending = (words[1], words[2], words[3])
            elif words[0] == "key":
                self.given[words[1]] = words[2]
                self.unused.add(words[1])
            elif words[0] == "did" and pending is not None:
                self.apply(pending)
                self.version, pending = int(words[1]), None
        return pending

    def apply(self, change: tuple[str, str, str]) -> None:
        kind, name, value = change
        if kind == "key":
            if value == "-":
                self.end_key(name)
        elif value == "-":
            self.kept.pop((kind, name), None)
        else:
            self.kept[kind, name] = value

    def end_key(self, name: str) -> None:
        if name in self.given:
            self.ended.append(self.given.pop(name))


def found(folder: Path) -> tuple[Kept, int]:
    """What there is after a kill, and the version of the orders; the registry must open every token that it names."""
    door = open_door(folder, {}, cost=Cost(64, 1))
    door.sessions.close()
    vault, log = door.accounts.records
    registry = Registry(vault, log, (), str, str)
    steering = Steering(folder, vault, log)
    orders = steering.orders
    steering.close()
    kept: Kept = {("user", user.name): str(user.step) for user in door.accounts.all()}
    kept |= {("node", node.name): node.notes for node in registry.all()}
    assert all(registry.token(node.id).startswith("t") for node in registry.all())
    kept |= {("pause", name): "on" for name in orders.paused}
    kept |= {("optout", one.prefix): "on" for one in orders.opt_outs}
    if orders.agent_version is not None:
        kept["wanted", "agent"] = orders.agent_version
        assert orders.agent_sha256 == f"{int(orders.agent_version[2:]):064x}"
    return kept, orders.version


def opens(keys: KeyStore, text: str) -> bool:
    try:
        keys.opened(text, "targets")
    except Refused:
        return False
    return True


def run_and_kill(folder: Path, seed: int, seconds: float) -> list[str]:
    """What a changer said before it was killed."""
    argv = [sys.executable, "-c", CHANGER, str(folder), str(seed)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(seconds)
        assert process.poll() is None, "it ended by itself"
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    return [line for line in (first, *rest) if line.endswith("\n")]


def test_killed_at_random_no_change_is_lost_or_half_done(tmp_path: Path) -> None:
    folder, rng, ledger = tmp_path / "manager", random.Random(SEED), Ledger()
    acknowledged = rotations = cut = 0
    open_door(folder, {}, cost=Cost(64, 1)).sessions.close()
    for number in range(ROUNDS):
        said = run_and_kill(folder, SEED + number, rng.choice((0.0, 0.02, 0.1, 0.5)) * rng.random())
        rotations += "rotate\n" in said
        acknowledged += sum(line.startswith("did") for line in said)
        pending = ledger.follow(said)
        cut += pending is not None
        there, version = found(folder)
        if pending is not None and there != ledger.kept:
            ledger.apply(pending)
        assert there == ledger.kept, f"round {number}: {pending}"
        assert version >= ledger.version
        keys = KeyStore(folder, time.time, os.urandom)
        if pending is not None and pending[0] == "key":
            _, name, value = pending
            if (value == "-" or name in ledger.unused) and name in ledger.given and not opens(keys, ledger.given[name]):
                ledger.end_key(name)
        assert [name for name, text in ledger.given.items() if not opens(keys, text)] == []
        ledger.unused.clear()
        assert not any(opens(keys, text) for text in ledger.ended)
        keys.close()
        audit.verify(folder / audit.FILE, open_vault(folder, {}, os.urandom))
        assert not (folder / server_key.NEXT_FILE).exists()
    sys.stderr.write(
        f"{ROUNDS} kills, {cut} within a change, {acknowledged} changes acknowledged "
        f"({len(ledger.given)} keys in use, {len(ledger.ended)} ended), {rotations} changes of the server key begun\n"
    )
    assert acknowledged > ROUNDS
    assert rotations
    archive.backup(archive.Places(folder), tmp_path / "b.tar.gz", {}, os.urandom)
