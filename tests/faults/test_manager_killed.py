"""kill -9 of who changes the manager's users, at random: what was acknowledged is there, and the chain holds."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from manager import archive, audit, server_key
from manager.auth.opening import open_door
from manager.core.passwords import Cost
from manager.vault import open_vault

from .fault_parts import ROUNDS, SEED

# Adds, changes and removes users as the pages do, changes keys; says what it will do and that it is done.
CHANGER = """
import sys, os, random, itertools
from pathlib import Path
from manager.archive import rotate_key
from manager.auth.accounts import Refused
from manager.auth.opening import open_door
from manager.core.passwords import Cost
from manager.core.users import User

folder, seed = Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

if rng.random() < 0.2:
    say("rotate")
    rotate_key(folder, {}, os.urandom)
door = open_door(folder, {}, cost=Cost(64, 1))
say("open")
for step in itertools.count():
    name = f"u{rng.randrange(30)}"
    present = door.accounts.get(name)
    if present is None:
        say("will", name, step)
        door.accounts.put("x", User(name, "viewer", "p", "t", step, (), ""), "user_set_up")
    elif rng.random() < 0.3:
        say("will", name, "-")
        door.accounts.remove("x", name)
    else:
        say("will", name, step)
        door.accounts.change("x", name, "role_changed", step=step)
    say("did")
    if rng.random() < 0.2:
        door.links.make("x", "viewer", f"u{rng.randrange(30)}", 60.0)
    if rng.random() < 0.3:
        door.sessions.begin(name, "192.0.2.1", "x")
"""


def follow(lines: list[str], users: dict[str, str]) -> tuple[str, str] | None:
    """Bring `users` up to what was acknowledged; the change that was under way, if any."""
    pending: tuple[str, str] | None = None
    for line in lines:
        words = line.split()
        if words[0] == "will" and len(words) == 3:
            pending = (words[1], words[2])
        elif words[0] == "did" and pending is not None:
            apply(users, *pending)
            pending = None
    return pending


def apply(users: dict[str, str], name: str, step: str) -> None:
    if step == "-":
        users.pop(name, None)
    else:
        users[name] = step


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
    folder, rng = tmp_path / "manager", random.Random(SEED)
    users: dict[str, str] = {}
    acknowledged = rotations = 0
    open_door(folder, {}, cost=Cost(64, 1)).sessions.close()
    for number in range(ROUNDS):
        said = run_and_kill(folder, SEED + number, rng.choice((0.0, 0.02, 0.1, 0.5)) * rng.random())
        rotations += "rotate\n" in said
        acknowledged += said.count("did\n")
        pending = follow(said, users)
        door = open_door(folder, {}, cost=Cost(64, 1))
        door.sessions.close()
        found = {user.name: str(user.step) for user in door.accounts.all()}
        if pending is not None and found != users:
            apply(users, *pending)
        assert found == users, f"round {number}: {pending}"
        audit.verify(folder / audit.FILE, open_vault(folder, {}, os.urandom))
        assert not (folder / server_key.NEXT_FILE).exists()
    sys.stderr.write(f"{ROUNDS} kills, {acknowledged} changes acknowledged, {rotations} changes of keys begun\n")
    assert acknowledged > ROUNDS
    assert rotations
    archive.backup(folder, tmp_path / "b.tar.gz", {}, os.urandom)
