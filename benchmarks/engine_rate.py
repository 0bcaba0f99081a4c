"""CPU per echo pair on loopback: the agent's engine beside fping and icmplib.multiping, in one run.

    python benchmarks/engine_rate.py

Needs root and fping. CPU is user and system time of the process that probes, kernel's loopback included;
rates on a shared machine say little, ratios of CPU in one run say more. Sends to 127/8 only, where a
round trip is done within a few microseconds of sending: what the RTTs are above that is error.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from statistics import median

ENGINE = """
import sys, time
from agents.core.measurement import Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport

pairs, first = int(sys.argv[1]), int(sys.argv[2])
transport = KernelTransport(0x6870, Guard("", LiveNamespace()))
settings = EngineSettings(
    0x6870, b"benchmark", packets_per_second=None, per_network=None, per_near_hop=None, most_in_hand=256
)
engine = Engine(transport, settings)
begun = done = answered = 0
rtts = []
if pairs:
    expires = time.monotonic() + 60
    while done < pairs:
        for _ in range(min(engine.room(), pairs - begun)):
            engine.submit(Job(first + begun, expires, False))
            begun += 1
        for finding in engine.step(0.1):
            done += 1
            answered += finding.ping.received
            if sys.argv[3:]:
                rtts.extend(finding.ping.rtts_ms)
rtts.sort()
print(answered, *(1000 * rtts[int(len(rtts) * part)] for part in (0.5, 0.95, 0.99) if rtts))
"""

ICMPLIB = """
import sys
from icmplib import multiping

pairs, first = int(sys.argv[1]), int(sys.argv[2])
hosts = [".".join(str(byte) for byte in (first + place).to_bytes(4, "big")) for place in range(pairs)]
print(sum(host.packets_received for host in multiping(hosts, count=1, timeout=2, concurrent_tasks=50)) if hosts else 0)
"""

FIRST = 0x7F010001  # 127.1.0.1


def cpu(command: list[str]) -> tuple[float, float, str]:
    """CPU seconds and wall seconds of a command, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, out


Row = tuple[float, float, int]


def rtts(pairs: int) -> list[float]:
    """The p50, p95 and p99 of the engine's RTTs in microseconds, from a run of their own."""
    _, _, out = cpu([sys.executable, "-c", ENGINE, str(pairs), str(FIRST), "rtts"])
    return [float(word) for word in out.split()[1:]]


def python(program: str, pairs: int) -> Row:
    """CPU and wall microseconds per pair without the start of the interpreter, and missing answers."""
    start, start_wall, _ = cpu([sys.executable, "-c", program, "0", str(FIRST)])
    used, wall, out = cpu([sys.executable, "-c", program, str(pairs), str(FIRST)])
    return 1e6 * (used - start) / pairs, 1e6 * (wall - start_wall) / pairs, pairs - int(out)


def fping(pairs: int) -> Row:
    """The same of fping, as fast as it goes, one packet a host."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as hosts:
        hosts.writelines(
            ".".join(str(byte) for byte in (FIRST + place).to_bytes(4, "big")) + "\n" for place in range(pairs)
        )
        hosts.flush()
        used, wall, out = cpu(["fping", "-a", "-r0", "-i0", "-f", hosts.name])
    return 1e6 * used / pairs, 1e6 * wall / pairs, pairs - len(out.split())


def main() -> None:
    """Measure in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description="CPU per echo pair, in one run")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("needs root: raw sockets")
    few = max(1, options.pairs // 10)  # icmplib is slow
    found: dict[str, list[Row]] = {"engine": [], "fping": [], "icmplib": []}
    for _ in range(options.rounds):
        found["engine"].append(python(ENGINE, options.pairs))
        found["fping"].append(fping(options.pairs))
        found["icmplib"].append(python(ICMPLIB, few))
    engine = median(row[0] for row in found["engine"])
    print("             CPU us/pair    pairs/s    lost   engine's CPU : its")
    for name, rows in found.items():
        used = median(row[0] for row in rows)
        wall = median(row[1] for row in rows)
        lost = sum(row[2] for row in rows)
        print(f"{name:<12}{used:>12.1f}{1e6 / wall:>11.0f}{lost:>8}{engine / used:>16.2f}")
    runs = [rtts(options.pairs) for _ in range(options.rounds)]
    shown = [f"{median(column):.0f}" for column in zip(*runs, strict=True)]
    print(f"the engine's RTTs at that speed, us: p50 {shown[0]}, p95 {shown[1]}, p99 {shown[2]} (loopback: some 5)")


if __name__ == "__main__":
    main()
