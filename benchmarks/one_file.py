"""hopmap-agent.pyz at work over TLS: memory, CPU at 200 packets/s, and every byte on its line beside scamper's probes.

In a network namespace of its own: the real input and output behind a TLS proxy on loopback (MTU 1500, no
segmentation offload), so that the interface counts what a line would carry, TCP and TLS included, both
ways. Probes go to the lab over its socket; scamper traces the same targets in the same lab.
"""

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from hopmap.client import Client, Endpoint, Unreachable
from scripts import build_agent

HOPMAP = [sys.executable, "-m", "hopmap"]
PYTHON = shutil.which("python3", path="/usr/bin") or sys.executable
INPUT_PORT, OUTPUT_PORT = 8443, 8444
CONTACT = "mailto:measurement@example.org"
IDLE_SECONDS = 32
IP_HEADER = 20
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def prepare_line() -> None:
    """Loopback as a line: up, packets of 1500 bytes as on a wire (ETHTOOL_SGSO, _STSO of linux/ethtool.h)."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500", "up"], check=True)
    with socket.socket() as any_socket:
        for command in (0x24, 0x1F):
            value = array("I", [command, 0])
            request = struct.pack("16sP", b"lo", value.buffer_info()[0])
            fcntl.ioctl(any_socket, 0x8946, request + b"\0" * 16)


def line_bytes() -> tuple[int, int]:
    """(bytes, packets) that have passed loopback, each once."""
    row = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    fields = row.split()
    return int(fields[9]), int(fields[10])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key with a certificate for localhost, and the system's store with that certificate in it."""
    pem = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", "-keyout", pem, "-out", folder / "cert.pem"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    own = (folder / "cert.pem").read_text()
    pem.write_text(pem.read_text() + own)
    store = folder / "store.pem"
    store.write_text((SYSTEM_CERTIFICATES.read_text() if SYSTEM_CERTIFICATES.exists() else "") + own)
    return pem, store


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until there are no more."""
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class TlsFront:
    """TLS on ports of loopback, passed on to unix sockets; `met` are the ports of the connections that came."""

    def __init__(self, pem: Path, places: dict[int, Path]) -> None:
        self.met: list[int] = []
        self._places = places
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pem)
        self._loop = asyncio.new_event_loop()
        self._servers = [self._loop.run_until_complete(self._serve(port)) for port in places]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, port: int) -> asyncio.Server:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.met.append(port)
            there, back = await asyncio.open_unix_connection(self._places[port])
            with suppress(asyncio.CancelledError):
                await asyncio.gather(pump(reader, back), pump(there, writer))

        return await asyncio.start_server(meet, "127.0.0.1", port, ssl=self._context)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        open_still = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)

    def close(self) -> None:
        """End every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


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


def measure(folder: Path, targets: list[str], rate: float, contact: str, *, in_traces: bool) -> dict[str, float]:
    """One agent from its first target to the last delivery, then idle. Figures of it all."""
    work = folder / f"run{len(list(folder.glob('run*')))}"
    work.mkdir()
    (work / "seeds.txt").write_text("".join(f"{target}/32\n" for target in targets))
    input_socket, output_socket, health = work / "input.sock", work / "output.sock", work / "health.sock"
    pem, store = certificate(work)
    lab = [*HOPMAP, "lab", "--quiet", "--seed", "3", "--preset", "hard", "--transport", "socket", "--"]
    agent = [
        *lab, PYTHON, "-I", folder / "hopmap-agent.pyz", "agent", f"--state-dir={work}/state",
        f"--input-file=https://localhost:{INPUT_PORT}", f"--output-file=https://localhost:{OUTPUT_PORT}/results",
        f"--unix={health}", "--health-check-port=0", f"--packets-per-second={rate:g}",
        "--per-prefix-per-second=0", "--per-router-per-second=0",
    ]  # fmt: skip
    if contact:
        agent += [f"--contact={contact}"]
        if not in_traces:
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
            started.append(subprocess.Popen(agent, env=environment, stderr=subprocess.DEVNULL))
            found = watch(health, agent_pid(health, started[-1].pid), len(targets))
            return found | {"connections": len(front.met)}
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)


def agent_pid(health: Path, lab: int) -> int:
    wait_for(health)
    command = ["pgrep", "-P", str(lab), "-f", f"^{PYTHON} .*hopmap-agent.pyz agent"]  # the lab has a child of its own
    children = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(children.stdout.split()[0])


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
    command = ["scamper", "-p", "1000", "-O", "json", "-o", folder / "scamper.json",
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
    missing = [tool for tool in ("scamper", "openssl", "unshare", "ip", "pgrep") if not shutil.which(tool)]
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
        contacts = (
            ("no contact", "", True),
            ("contact in pings alone", CONTACT, False),
            ("contact everywhere", CONTACT, True),
        )
        for title, contact, everywhere in contacts:
            report(title, measure(folder, targets, given.rate, contact, in_traces=everywhere), scamper, len(targets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
