"""Every protocol and every kind of socket: on loopback, and in the lab, where the routes shown must be true."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.net

SCRIPT = """
import json, os, socket, sys, time
from datetime import UTC, datetime
from agents.core.measurement import Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.unprivileged import open_sockets
from hopmap.addresses import number, text
from hopmap.wire.result import Result, encode_result

ping, trace, groups, file = sys.argv[1:5]
targets = [number(line) for line in sys.stdin.read().split()]
if groups:
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as group_range:
        group_range.write(groups)
with open(file, "w") as out:
    if groups:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    transport = open_sockets(0x5151, Guard("", LiveNamespace()), time.monotonic_ns, tcp="tcp" in (ping, trace))
    settings = EngineSettings(
        0x5151, b"key", "mailto:me@example.org", ping_protocol=ping, trace_protocol=trace,
        packets_per_second=300.0, per_network=None, per_near_hop=None,
    )
    engine = Engine(transport, settings)
    for target in targets:
        engine.submit(Job(target, time.monotonic() + 60))
    end, sequence = time.monotonic() + 40, 0
    while engine.in_hand and time.monotonic() < end:
        for finding in engine.step(0.2):
            sequence += 1
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            target = text(finding.job.address)
            result = Result(f"bench:run:{sequence}", "bench", target, now, finding.ping, trace=finding.trace)
            out.write(json.dumps(encode_result(result)) + "\\n")
    transport.close()
print(json.dumps({"mode": transport.mode, "stray": engine.counters.stray, "sent": engine.counters.sent}))
"""
NOBODY = "1 0"
ANYBODY = "0 2147483647"
WAYS = [
    ("icmp", "icmp", "", "raw socket"),
    ("tcp", "tcp", "", "raw socket"),
    ("icmp", "udp", "", "raw socket"),
    ("icmp", "icmp", ANYBODY, "ping socket"),
    ("icmp", "icmp", NOBODY, "UDP"),
]
LAB = [sys.executable, "-m", "hopmap", "lab"]
WORLD = ["--seed", "4", "--preset", "calm"]


def run(command: list[str], given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def results(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def listed() -> str:
    return run([*LAB, "targets", "--count", "40", "--one-per-24", "--alive", *WORLD])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1]}-{way[3]}")
def test_routes_in_the_lab_are_true_whatever_finds_them(
    listed: str, tmp_path: Path, way: tuple[str, str, str, str]
) -> None:
    ping, trace, groups, mode = way
    found, truth = tmp_path / "found.ndjson", tmp_path / "truth.jsonl"
    inside = [sys.executable, "-c", SCRIPT, ping, trace, groups, str(found)]
    told = json.loads(run([*LAB, "--quiet", *WORLD, "--truth", str(truth), "--", *inside], listed).splitlines()[-1])
    assert told["mode"].startswith(mode)
    assert told["mode"].endswith("the lab only")
    (score,) = json.loads(run([*LAB, "score", "--truth", str(truth), "--agents", "bench=0", "--json", str(found)]))
    assert score["false_links"] == 0
    rows = results(found)
    pings = [row for row in rows if row["ping"]["sent"]]
    assert sum(row["ping"]["received"] > 0 for row in pings) >= 0.8 * len(listed.split())
    traces = [row["trace"] for row in rows if "trace" in row]
    if mode == "UDP":
        ping = trace = "udp"  # the lab's routers quote eight bytes, mostly: they are not heard in this way
    else:
        first = [one for one in traces if one["flow"] == 0]
        assert sum(one["reached"] for one in first) >= 0.8 * len(first)
        assert sum(hop["address"] is not None for one in traces for hop in one["hops"]) > 200
    assert {row["ping"]["protocol"] for row in pings} == {ping}
    assert {one["protocol"] for one in traces} == {trace}


LOOPBACK = """
import socket, struct, subprocess, time
from pathlib import Path
from agents.core.flow import SynTemplate, tcp_ports
from agents.core.measurement import Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from hopmap.addresses import number

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
IDENTIFIER = 0x5151

def ping(port, identifier=IDENTIFIER):
    transport = KernelTransport(identifier, Guard("", LiveNamespace()), tcp=True)
    settings = EngineSettings(
        identifier, b"key", ping_protocol="tcp", tcp_port=port,
        packets_per_second=None, per_network=None, per_near_hop=None,
    )
    engine = Engine(transport, settings)
    for last in range(1, 101):
        engine.submit(Job(number("127.7.0.0") + last, time.monotonic() + 10, trace=False))
    findings = []
    while engine.in_hand:
        findings += engine.step(0.2)
    transport.close()
    assert engine.counters.stray == 0, engine.counters
    return findings
"""


def on_loopback(body: str) -> None:
    run(["unshare", "-n", sys.executable, "-c", LOOPBACK + textwrap.dedent(body)])


def test_a_syn_is_answered_by_who_listens_and_who_does_not_and_nothing_is_left_half_open() -> None:
    on_loopback(
        """
        listener = socket.create_server(("", 4430), backlog=4)
        for port in (4430, 4431):
            findings = ping(port)
            assert len(findings) == 100
            assert all(finding.ping.received == 1 and finding.ping.protocol == "tcp" for finding in findings)
            assert {finding.ping.reply_ttl for finding in findings} == {64}
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert {row[3] for row in rows} == {"0A"}, rows  # nothing but the listener
        listener.setblocking(False)
        try:
            listener.accept()
        except BlockingIOError:
            pass
        else:
            raise AssertionError("a connection was made")
        """
    )


def test_our_tcp_ports_are_kept_from_others_and_one_that_is_taken_does_not_matter() -> None:
    on_loopback(
        """
        ports = tcp_ports(IDENTIFIER)
        taken = socket.create_server(("", ports[5]))
        transport = KernelTransport(IDENTIFIER, Guard("", LiveNamespace()), tcp=True)
        try:
            socket.create_server(("", ports[6]))
        except OSError:
            pass
        else:
            raise AssertionError("not reserved")
        transport.close()
        assert all(finding.ping.received == 1 for finding in ping(4430))
        """
    )
