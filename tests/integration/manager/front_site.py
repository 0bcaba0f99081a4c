"""Manager, gateway, input and output behind Caddy with the manager's own Caddyfile: a site that tests visit."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tests.faults.fault_parts import ROOT, Input, Output, Part, call, lab_targets, until
from tests.integration.manager.front_box import DIRECTORY, Authority, Caddy, Caller, Town, let_in, place

DOMAIN = "hopmap.example.org"
HERE = "192.0.2.20"  # whom the services behind the front see
LIFE_SECONDS = 45  # of a certificate: renewed after 30, and so with 15 to spare on a busy machine


class Manager(Part):
    """`hopmap manager` on a unix socket alone, under a public name."""

    name: ClassVar[str] = "manager"

    @property
    def socket(self) -> Path:
        return self.folder / "m.sock"

    def words(self) -> list[str]:
        nowhere = f"unix://{self.folder}/none.sock"
        where = ["--port=0", f"--unix={self.socket}", f"--domain={DOMAIN}", f"--state-dir={self.folder}/manager-state"]
        return ["manager", *where, f"--inputs={nowhere}", f"--outputs={nowhere}", *self.flags]

    def ready(self) -> bool:
        return call(f"unix://{self.socket}", "GET", "/ready").status == 200


class Gateway(Part):
    """`hopmap gateway` on a unix socket alone."""

    name: ClassVar[str] = "gateway"

    @property
    def socket(self) -> Path:
        return self.folder / "g.sock"

    def words(self) -> list[str]:
        state = f"--state-dir={self.folder}/gateway-state"
        return ["gateway", "--port=0", f"--unix={self.socket}", state, *self.flags]

    def ready(self) -> bool:
        return call(f"unix://{self.socket}", "GET", "/ready").status == 200

    def key(self, node: str) -> str:
        asked = [sys.executable, "-m", "hopmap", "manager", "key", "ensure", node]
        asked.append(f"--state-dir={self.folder}/gateway-state")
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@dataclass(frozen=True)
class Site:
    """All of it, running."""

    folder: Path
    town: Town
    authority: Authority
    caddy: Caddy
    caller: Caller
    manager: Manager
    gateway: Gateway
    input: Input
    output: Output


@contextmanager
def built() -> Iterator[Site]:
    with ExitStack() as stack:
        folder = stack.enter_context(place())
        town = Town(folder, f"127.0.0.1 localhost {DOMAIN}\n", [HERE])
        stack.callback(town.close)
        authority = Authority(town, folder, LIFE_SECONDS)
        stack.callback(authority.close)
        seeds = folder / "seeds"
        seeds.write_text("".join(f"{target}/32\n" for target in lab_targets(60, "--one-per-24")))

        def started(part: Any) -> Any:
            stack.callback(lambda: part.is_dead() or part.end())
            part.start()
            return part

        source = started(Input(folder, f"--seeds={seeds}", "--idle-seconds=1", "--per-prefix-per-second=0"))
        output = started(Output(folder, f"--input-url={source.url}"))
        manager = started(Manager(folder, f"--log-file={folder}/manager-security.log"))
        told = f"--log-file={folder}/gateway-security.log"
        gateway = started(Gateway(folder, f"--inputs={source.url}", f"--outputs={output.url}", told))
        for part in (manager, gateway):
            let_in(part.socket)
        caddy = Caddy(town, folder, caddyfile(folder, manager, gateway, authority))
        stack.callback(caddy.close)
        caller = Caller(town, authority.issuer, DOMAIN, HERE)
        until(lambda: has_certificate(caller), f"Caddy has a certificate; {caddy.log}")
        yield Site(folder, town, authority, caddy, caller, manager, gateway, source, output)


def caddyfile(folder: Path, manager: Manager, gateway: Gateway, authority: Authority) -> str:
    """What the command prints; it is changed in one thing: Caddy looks each second for what must be renewed."""
    argv = [
        sys.executable, "-m", "hopmap", "manager", "caddyfile", f"--domain={DOMAIN}", "--email=you@example.org",
        f"--unix={manager.socket}", f"--gateway-unix={gateway.socket}", f"--caddy-storage={folder}/caddy",
        f"--acme-directory={DIRECTORY}", f"--acme-root={authority.root}",
    ]  # fmt: skip
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    return told.replace("{\n", "{\n\trenew_interval 1s\n", 1)


def has_certificate(caller: Caller) -> bool:
    try:
        return bool(caller.serial())
    except OSError:
        return False
