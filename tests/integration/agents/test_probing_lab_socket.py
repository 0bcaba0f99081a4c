"""The transport over a unix socket, against a lab made up of a few lines."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.core.flow import EchoTemplate
from agents.core.measurement import Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.lab_socket import LabSocket
from hopmap.addresses import number
from hopmap.errors import UserError

SETTINGS = EngineSettings(0x5151, b"key", packets_per_second=None, per_network=None, per_near_hop=None)


class Lab:
    """Greets one worker and echoes what it sends, as the target would."""

    def __init__(self, path: Path, greeting: bytes) -> None:
        self.path = str(path)
        self.greeting = greeting
        self.hello = b""
        self.packets: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        worker, _ = self._listener.accept()
        with worker:
            self.hello = worker.recv(2048)
            worker.send(self.greeting)
            while packet := worker.recv(2048):
                self.packets.append(packet)
                if packet == b"".join([packet[:16], bytes([198, 51, 100, 9]), packet[20:]]):
                    return
                checksum = (int.from_bytes(packet[22:24], "big") + 0x0800 - 1) % 0xFFFF + 1
                body = b"\0\0" + checksum.to_bytes(2, "big") + packet[24:]
                worker.send(packet[:8] + b"\x39" + packet[9:12] + packet[16:20] + packet[12:16] + body)

    def close(self) -> None:
        self._thread.join(5)
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "packets"


def lab_at(path: Path, greeting: bytes) -> Iterator[Lab]:
    lab = Lab(path, greeting)
    yield lab
    lab.close()


@pytest.fixture
def lab(path: Path) -> Iterator[Lab]:
    yield from lab_at(path, b"OK 10.9.8.7")


@pytest.fixture
def refusing(path: Path) -> Iterator[Lab]:
    yield from lab_at(path, b"ERR worker 7 is taken")


@pytest.fixture
def babbling(path: Path) -> Iterator[Lab]:
    yield from lab_at(path, b"OK nowhere")


def test_packets_go_both_ways(lab: Lab) -> None:
    transport = LabSocket(lab.path, 3)
    engine = Engine(transport, SETTINGS)
    targets = [number("203.0.113.0") + index for index in range(1, 51)]
    for target in targets:
        engine.submit(Job(target, time.monotonic() + 60))
    findings = []
    while engine.in_hand:
        findings += engine.step(1.0)
    transport.close()
    assert lab.hello == b"HELLO 1 3"
    assert sorted(finding.job.address for finding in findings if finding.trace and finding.trace.reached) == targets
    assert {finding.ping.reply_ttl for finding in findings} == {57}
    assert {packet[12:16] for packet in lab.packets} == {bytes([10, 9, 8, 7])}
    assert {64, 1} <= {packet[8] for packet in lab.packets}
    assert all(int.from_bytes(packet[2:4], "big") == len(packet) for packet in lab.packets)


def test_a_lab_that_goes_away_is_an_error(lab: Lab) -> None:
    transport = LabSocket(lab.path)
    transport.send([EchoTemplate(0x5151).build(0, 1, number("198.51.100.9"), 64)])
    with pytest.raises(ConnectionResetError, match="closed"):
        transport.receive(5.0, lambda reply, length, stamp: None)
    transport.close()


def test_a_refusal_is_told_as_it_was_said(refusing: Lab) -> None:
    with pytest.raises(UserError, match="worker 7 is taken"):
        LabSocket(refusing.path, 7)


def test_a_greeting_without_an_address_is_refused(babbling: Lab) -> None:
    with pytest.raises(UserError, match="no source address"):
        LabSocket(babbling.path)


def test_no_lab_at_the_path_says_what_to_do(path: Path) -> None:
    with pytest.raises(UserError, match="hopmap lab"):
        LabSocket(str(path))
