"""hopmap-agent.pyz at work over TLS: memory, CPU at 200 packets/s, and every byte on its line beside scamper's probes.

In a network namespace of its own: the real input and output behind a TLS proxy on loopback (MTU 1500, no
segmentation offload), so that the interface counts what a line would carry, TCP and TLS included, both
ways. Probes go to the lab by a TUN device, through the kernel's sockets as a real worker's do, and once by the
lab's own unix socket, where each packet costs a system call each way; scamper traces the same targets there.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.line import TlsFront, certificate, line_bytes, prepare_line
from hopmap.client import Client, Endpoint, Unreachable
from scripts import build_agent

HOPMAP = [sys.executable, "-m", "hopmap"]
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
INPUT_PORT, OUTPUT_PORT = 8443, 8444
CONTACT = "mailto:measurement@example.org"
IDLE_SECONDS = 32
IP_HEADER = 20


def ask(path: Path) -> dict[str, Any]:
    """/health of a part on a unix socket; empty while it does not answer."""
    try:
        with Client(Endpoint.parse(f"unix://{path}")) as client:
            found: dict[str, Any] = json.loads(client.request("GET", "/health").body)
            return found
    except (Unreachable, ValueError):
        return {}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not ask(path):
        if time.monotonic() > deadline:
            raise SystemExit(f"nobody answers at {path}")
        time.sleep(0.1)


class Watched:
    """A process seen from outside."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> dict[str, float]:
        lines = (self._proc / "smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split()[0].rstrip(":"): int(line.split()[1]) / 1024 for line in lines}
        return {"rss": sizes["Rss"], "pss": sizes["Pss"], "own": sizes["Private_Dirty"]}


class Probing(NamedTuple):
    """A row: the contact, whether traces carry it too, and how probes get to the lab."""

    title: str
    contact: str = ""
    in_traces: bool = True
    transport: str = "tun"


ROWS = (
    Probing("no contact, by TUN: the kernel's sockets, as a real worker"),
    Probing("contact in pings alone, by TUN", CONTACT, in_traces=False),
    Probing("contact everywhere, by TUN", CONTACT),
    Probing("no contact, by the lab's unix socket", transport="socket"),
)


def measure(folder: Path, targets: list[str], rate: float, row: Probing) -> dict[str, float]:
    """One agent from its first target to the last delivery, then idle. Figures of it all."""
    work = folder / f"run{len(list(folder.glob('run*')))}"
    work.mkdir()
    (work / "seeds.txt").write_text("".join(f"{target}/32\n" for target in targets))
    input_socket, output_socket, health = work / "input.sock", work / "output.sock", work / "health.sock"
    pem, store = certificate(work)
    agent: list[str | Path] = [
        PYTHON, "-I", folder / "hopmap-agent.pyz", "agent", f"--state-dir={work}/state",
        f"--input-file=https://localhost:{INPUT_PORT}", f"--output-file=https://localhost:{OUTPUT_PORT}/results",
        f"--unix={health}", "--health-check-port=0", f"--packets-per-second={rate:g}",
        "--per-prefix-per-second=0", "--per-router-per-second=0",
    ]  # fmt: skip
    if row.contact:
        agent += [f"--contact={row.contact}"]
        if not row.in_traces:
            (work / "config.yaml").write_text("contact_in_traces: false\n")
            agent += [f"--config={work}/config.yaml"]
    parts = [
        [*HOPMAP, "input", "--port=0", f"--unix={input_socket}", f"--state-dir={work}/input",
         f"--seeds={work}/seeds.txt"],
        [*HOPMAP, "output", "--port=0", "--health-port=0", f"--unix={output_socket}", f"--health-unix={work}/oh.sock",
         f"--db-dir={work}/output", f"--input-url=unix://{work}/nobody.sock"],
    ]  # fmt: skip
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += [subprocess.Popen(part, stderr=subprocess.DEVNULL) for part in parts]
        wait_for(input_socket)
        wait_for(work / "oh.sock")
        with closing(TlsFront(pem, {INPUT_PORT: input_socket, OUTPUT_PORT: output_socket})) as front:
            environment = {**os.environ, "SSL_CERT_FILE": str(store), "MALLOC_ARENA_MAX": "1"}
            environment |= begin_lab(work, row.transport, started)
            started.append(subprocess.Popen(agent, env=environment, stderr=subprocess.DEVNULL))
            wait_for(health)
            found = watch(health, started[-1].pid, len(targets))
            return found | {"connections": len(front.met)}
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)


def begin_lab(work: Path, transport: str, started: list[subprocess.Popen[bytes]]) -> dict[str, str]:
    """Start a lab for this namespace, from one of its own; what the agent's environment needs for it."""
    lab = ["unshare", "--net", *HOPMAP, "lab", "--quiet", "--seed", "3", "--preset", "hard", f"--state-dir={work}/lab"]
    packets = work / "lab" / "packets"
    if transport == "tun":
        lab += ["--attach", f"line=/proc/{os.getpid()}/ns/net"]
    else:
        lab += ["--transport", "socket"]
    started.append(subprocess.Popen(lab, stderr=subprocess.DEVNULL))
    deadline = time.monotonic() + 30
    while not (has_device() if transport == "tun" else packets.exists()):
        if time.monotonic() > deadline or started[-1].poll() is not None:
            raise SystemExit(f"the lab does not come up by {transport}")
        time.sleep(0.1)
    return {} if transport == "tun" else {"HOPMAP_LAB_SOCKET": str(packets), "HOPMAP_LAB_WORKER": "0"}


def has_device() -> bool:
    return any(line.strip().startswith("hoplab0:") for line in Path("/proc/net/dev").read_text().splitlines())


def watch(health: Path, pid: int, count: int) -> dict[str, float]:
    """Follow an agent until everything is delivered, then while it has nothing to do."""
    process = Watched(pid)
    began, cpu_before, before = time.monotonic(), process.cpu_seconds(), line_bytes()
    highest = process.memory_mb()
    busy: tuple[float, float, int] = (0.0, 0.0, 0)
    while True:
        time.sleep(2)  # asking costs the agent something, too
        found = ask(health)["statistics"]
        highest = {key: max(value, highest[key]) for key, value in process.memory_mb().items()}
        if found["in_hand"] + found["queued"] >= count / 4:  # enough to keep the rate that was asked for
            busy = (time.monotonic() - began, process.cpu_seconds() - cpu_before, found["packets"]["sent"])
        elif found["probed"] >= count and not found["in_hand"] and not found["spool_results"]:
            break
    after, took = line_bytes(), time.monotonic() - began
    cpu = process.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    idle = line_bytes()
    sent = found["bytes"]["sent"]
    return {
        "traced": found["answered"], "reached": found["reached"], "seconds": took, "packets": found["packets"]["sent"],
        "probe_bytes": sent, "line_bytes": after[0] - before[0], "line_packets": after[1] - before[1],
        "cpu_percent": 100 * busy[1] / busy[0], "rate": busy[2] / busy[0],
        "idle_bytes_per_hour": (idle[0] - after[0]) * 3600 / IDLE_SECONDS,
        "idle_cpu_percent": 100 * (process.cpu_seconds() - cpu) / IDLE_SECONDS,
        **{f"{key}_mb": value for key, value in highest.items()},
    }  # fmt: skip


def scamper_bytes(folder: Path, targets: list[str]) -> tuple[int, int]:
    """(probes, IP bytes of them) of scamper's trace -P icmp-paris -q 2 over the targets."""
    (folder / "targets.txt").write_text("\n".join(targets) + "\n")
    command: list[str | Path] = ["scamper", "-p", "1000", "-O", "json", "-o", folder / "scamper.json",
               "-c", "trace -P icmp-paris -q 2 -w 1", "-f", folder / "targets.txt"]  # fmt: skip
    lab = [*HOPMAP, "lab", "--quiet", "--seed", "3", "--preset", "hard", "--transport", "tun", "--"]
    subprocess.run([*lab, *command], check=True, capture_output=True)
    traces = [json.loads(line) for line in (folder / "scamper.json").read_text().splitlines()]
    kept = [trace for trace in traces if trace["type"] == "trace"]
    return sum(one["probe_count"] for one in kept), sum(one["probe_count"] * one["probe_size"] for one in kept)


def report(name: str, found: dict[str, float], scamper: int, count: int) -> None:
    """One block of the table."""
    both = found["probe_bytes"] + found["line_bytes"]
    print(f"\n{name}")
    print(f"  memory            {found['rss_mb']:.1f} MB resident, {found['pss_mb']:.1f} MB shared fairly (PSS), "
          f"{found['own_mb']:.1f} MB written by itself")  # fmt: skip
    print(f"  CPU               {found['cpu_percent']:.1f} % of a core at {found['rate']:.0f} packets/s; "
          f"{found['idle_cpu_percent']:.2f} % idle")  # fmt: skip
    print(f"  targets           {found['traced']:.0f} traced of {count} in {found['seconds']:.0f} s, "
          f"{found['packets'] / found['traced']:.1f} probes each")  # fmt: skip
    print(f"  probes            {found['probe_bytes'] / found['traced']:.0f} bytes for each traced target")
    a_packet = found["line_bytes"] / found["line_packets"]
    print(f"  services, TLS     {found['line_bytes'] / found['traced']:.0f} bytes for each, both ways, "
          f"{a_packet:.0f} a packet, {found['connections']:.0f} connections")  # fmt: skip
    print(f"  idle              {found['idle_bytes_per_hour'] / 1000:.0f} kB an hour")
    print(f"  all : scamper     {both / scamper:.2f}")


def main() -> int:
    """Print the table."""
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--targets", type=int, default=400)
    flags.add_argument("--rate", type=float, default=200.0)
    given = flags.parse_args()
    missing = [tool for tool in ("scamper", "openssl", "unshare", "ip") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        print(f"not run: needs root, and {', '.join(missing) or 'the rest is here'}")
        return 0
    if not os.environ.get("HOPMAP_BENCHMARK_APART"):
        os.environ["HOPMAP_BENCHMARK_APART"] = "yes"
        os.execvp("unshare", ["unshare", "--net", sys.executable, __file__, *sys.argv[1:]])
    prepare_line()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_agent.main(["--output", str(folder / "hopmap-agent.pyz")])
        listed = subprocess.run(
            [*HOPMAP, "lab", "targets", "--preset", "hard", "--seed", "3", "--alive", "--one-per-24",
             "--count", str(given.targets)], check=True, capture_output=True, text=True,
        )  # fmt: skip
        targets = listed.stdout.split()
        probes, scamper = scamper_bytes(folder, targets)
        print(f"scamper trace -P icmp-paris -q 2: {probes / len(targets):.1f} probes, "
              f"{scamper / len(targets):.0f} bytes for each target")  # fmt: skip
        for row in ROWS:
            report(row.title, measure(folder, targets, given.rate, row), scamper, len(targets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
