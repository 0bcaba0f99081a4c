"""A packet gets the same answer over a TUN device as over the socket."""

import sys
from pathlib import Path

import pytest
from lab_runner import run_lab

from lab.world import packets

PROBER = [sys.executable, str(Path(__file__).parent / "lab_prober.py")]


def echo(target: int, ttl: int, sequence: int) -> str:
    body = bytearray(b"\x08\0\0\0\x11\x11" + sequence.to_bytes(2, "big") + b"equal to the last bit")
    body[2:4] = packets.checksum(bytes(body)).to_bytes(2, "big")
    header = bytearray(packets.header(0xC0A80102, target, packets.ICMP, ttl, 20 + len(body)))
    header[4:6] = (sequence + 1).to_bytes(2, "big")  # the kernel would fill in an identification of 0
    header[10:12] = b"\0\0"
    header[10:12] = packets.checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header + body).hex()


@pytest.mark.net
def test_both_transports_answer_alike() -> None:
    listed = run_lab("targets", "--preset", "calm", "--alive", "--count", "3").stdout.split()
    targets = [int.from_bytes(bytes(map(int, target.split("."))), "big") for target in listed]
    probes = "\n".join(echo(target, ttl, ttl) for target in targets for ttl in (1, 2, 3, 5, 8, 64))
    answers = {}
    for transport in ("tun", "socket"):
        done = run_lab("--preset", "calm", "--transport", transport, "--", *PROBER, stdin=probes)
        assert done.returncode == 0, done.stderr
        assert f"by {transport} (as asked)" in done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        answers[transport] = [answer for answer, _ in rows]
    assert len(answers["tun"]) == 18
    assert "-" not in answers["tun"]
    assert answers["tun"] == answers["socket"]
