"""What the lab sustains: probes sent at a rate, answers that came back, CPU that the lab spent on a packet.

    python benchmarks/lab_rate.py                       # about 20 s; as root over TUN, else over the socket
    python benchmarks/lab_rate.py --transport socket

Every probe of this world is answered, half of them by routers on the way: what is missing the lab did not sustain.
"""

import argparse
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

from lab import control
from lab.world import packets

RATES = (5_000, 10_000, 20_000, 40_000)
SECONDS = 3.0
TARGETS = 500
MOST_HOPS = 24


class Way(Protocol):
    """How probes leave and answers come back."""

    def send(self, packet: bytes) -> None: ...
    def drain(self) -> int: ...


class Raw:
    """A raw socket with the IP header included."""

    def __init__(self) -> None:
        self.source = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self._socket.settimeout(0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(("192.0.2.1", 9))
            self.source = int.from_bytes(socket.inet_aton(asking.getsockname()[0]), "big")

    def send(self, packet: bytes) -> None:
        try:
            self._socket.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        except BlockingIOError:
            select.select([], [self._socket], [], 0.01)

    def drain(self) -> int:
        count = 0
        try:
            while True:
                self._socket.recv(2048)
                count += 1
        except BlockingIOError:
            return count


class Wire:
    """The lab's packet socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.connect(path)
        self._socket.send(b"HELLO 1 -1")
        self.source = int.from_bytes(socket.inet_aton(self._socket.recv(200).decode().split()[1]), "big")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self._socket.settimeout(0)

    def send(self, packet: bytes) -> None:
        try:
            self._socket.send(packet)
        except BlockingIOError:
            select.select([], [self._socket], [], 0.01)

    def drain(self) -> int:
        count = 0
        try:
            while True:
                self._socket.recv(2048)
                count += 1
        except BlockingIOError:
            return count


def probe(source: int, target: int, ttl: int, sequence: int) -> bytes:
    """An echo request of 36 bytes whose checksum is the same for every sequence number."""
    body = bytearray(b"\x08\0\x12\x34" + b"\x4d\x4d" + sequence.to_bytes(2, "big") + b"hopmap\0\0")
    body[14:16] = packets.checksum(bytes(body)).to_bytes(2, "big")
    return packets.header(source, target, packets.ICMP, ttl, 36) + bytes(body)


def cpu_seconds(process: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def reached() -> int:
    """How many packets have come to the lab."""
    count = control.ask(os.environ[control.VARIABLE], {"do": "stats"})["stats"]["packets"]["received"]
    assert isinstance(count, int)
    return count


def measure(way: Way, probes: list[bytes], rate: int) -> tuple[int, int, float]:
    """Sent, answered, seconds of sending."""
    began, sent, answered = time.monotonic(), 0, 0
    while (passed := time.monotonic() - began) < SECONDS:
        for _ in range(min(64, int(passed * rate) - sent)):
            way.send(probes[sent % len(probes)])
            sent += 1
        answered += way.drain()
        if sent >= int((time.monotonic() - began) * rate):
            time.sleep(0.0005)
    spent = time.monotonic() - began
    quiet = time.monotonic() + 1.0
    while time.monotonic() < quiet:
        answered += way.drain()
        time.sleep(0.005)
    return sent, answered, spent


def inside(file: str) -> None:
    """Runs as the lab's command: its parent is the lab."""
    way = Wire(os.environ["HOPMAP_LAB_SOCKET"]) if "HOPMAP_LAB_SOCKET" in os.environ else Raw()
    targets = [int.from_bytes(socket.inet_aton(line), "big") for line in Path(file).read_text().split()]
    probes = [probe(way.source, target, 2 + step % MOST_HOPS, step) for step, target in enumerate(targets * MOST_HOPS)]
    for packet in probes[:2000]:
        way.send(packet)
        time.sleep(0.0002)
    time.sleep(1.0)
    way.drain()
    print(f"{'asked/s':>9} {'sent/s':>9} {'reached':>9} {'answered':>9} {'CPU us/probe':>13} {'lab CPU':>8}")
    for rate in RATES:
        before, had = cpu_seconds(os.getppid()), reached()
        sent, answered, spent = measure(way, probes, rate)
        used, came = cpu_seconds(os.getppid()) - before, reached() - had
        shares = f"{came / sent:>9.2%} {answered / sent:>9.2%}"
        print(f"{rate:>9} {sent / spent:>9.0f} {shares} {used / sent * 1e6:>13.1f} {used / spent:>8.0%}", flush=True)


def main() -> None:
    """Run the lab with this file as its command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transport", default="auto")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside)
        return
    lab = [sys.executable, "-m", "hopmap", "lab"]
    listed = [*lab, "targets", "--preset", "calm", "--alive", "--count", str(TARGETS)]
    found = subprocess.run(listed, check=True, capture_output=True, text=True)
    names = Path(f"/tmp/hopmap-lab-rate-{os.getpid()}")
    names.write_text(found.stdout)
    try:
        command = [sys.executable, __file__, "--inside", str(names)]
        subprocess.run([*lab, "--preset", "calm", "--transport", options.transport, "--", *command], check=True)
    finally:
        names.unlink()


if __name__ == "__main__":
    main()
