"""The guard and the kernel's transport in network namespaces made for each test, with devices that lead nowhere."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.net

OPENING = """
import fcntl, os, socket, struct, subprocess
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from agents.probe.transport import Refused
from hopmap.addresses import number

PUBLIC = number("8.8.8.8")
MESSAGE = bytes.fromhex("0800f7fe0001000000000000")

def packet(message, destination, ttl):
    return struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(message), 0, 0x4000, ttl, 1, 0, 0, destination) + message

def ip(*words):
    subprocess.run(["ip", *words], check=True)

def tun(name, *, up=True):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1001))
    if up:
        ip("link", "set", name, "up")
    return device

def guard(contact=""):
    return Guard(contact, LiveNamespace())

def packets(device):
    found = []
    while True:
        try:
            packet = os.read(device, 2048)
        except BlockingIOError:
            return found
        if packet[0] >> 4 == 4:
            found.append(packet)

ip("link", "set", "lo", "up")
"""


def in_namespace(body: str) -> None:
    """Run Python in a network namespace of its own; it fails by assertion."""
    script = OPENING + textwrap.dedent(body)
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_lab_is_recognised_and_probes_go_to_its_device() -> None:
    in_namespace(
        """
        lab = tun("hoplab0")
        ip("address", "add", "10.1.2.3/32", "dev", "hoplab0")
        ip("route", "add", "default", "dev", "hoplab0")
        found = guard()
        assert (found.device, found.reach) == ("hoplab0", "the lab only")
        transport = KernelTransport(1, found)
        transport.send([packet(MESSAGE, PUBLIC, 7)])
        (sent,) = packets(lab)
        assert (sent[8], sent[16:20], sent[20:]) == (7, bytes([8, 8, 8, 8]), MESSAGE)
        for address in ("127.0.0.1", "10.1.2.4", "192.168.0.1", "224.0.0.1"):
            try:
                transport.send([packet(MESSAGE, number(address), 7)])
            except Refused:
                continue
            raise AssertionError(address)
        assert packets(lab) == []
        """
    )


def test_a_way_out_that_comes_later_is_not_taken() -> None:
    in_namespace(
        """
        lab = tun("hoplab0")
        ip("address", "add", "10.1.2.3/32", "dev", "hoplab0")
        ip("route", "add", "default", "dev", "hoplab0")
        transport = KernelTransport(1, guard())
        other = tun("out0")
        ip("route", "add", "8.8.8.0/24", "dev", "out0")
        transport.send([packet(MESSAGE, PUBLIC, 7)])
        assert packets(other) == []
        assert len(packets(lab)) == 1
        assert guard().device is None
        ip("link", "delete", "hoplab0")
        try:
            transport.send([packet(MESSAGE, PUBLIC, 7)])
        except OSError:
            pass
        else:
            raise AssertionError("sent without the lab's device")
        assert packets(other) == []
        """
    )


@pytest.mark.parametrize(
    "way_out",
    [
        'ip("route", "add", "default", "dev", "out0", "metric", "99")',
        'ip("route", "add", "8.0.0.0/8", "dev", "out0")',
        'ip("route", "add", "default", "dev", "out0", "table", "77")',
        'ip("route", "add", "1.0.0.0/8", "nexthop", "dev", "out0", "nexthop", "dev", "hoplab0")',
    ],
)
@pytest.mark.parametrize("making", ['"link", "add", "out0", "type", "veth"', '"tuntap", "add", "out0", "mode", "tun"'])
def test_any_second_way_out_closes_the_guard(making: str, way_out: str) -> None:
    in_namespace(
        f"""
        lab = tun("hoplab0")
        ip("address", "add", "10.1.2.3/32", "dev", "hoplab0")
        ip("route", "add", "default", "dev", "hoplab0")
        assert guard().device == "hoplab0"
        ip({making})
        ip("link", "set", "out0", "up")
        ip("address", "add", "10.9.9.9/24", "dev", "out0")
        assert guard().device == "hoplab0", "a route within private space leads nowhere"
        {way_out}
        found = guard()
        assert found.device is None
        assert not found.allows(PUBLIC)
        transport = KernelTransport(1, found)
        try:
            transport.send([packet(MESSAGE, PUBLIC, 7)])
        except Refused:
            pass
        else:
            raise AssertionError("sent")
        assert packets(lab) == []
        """
    )


def test_a_device_that_only_bears_the_name_is_not_the_lab() -> None:
    in_namespace(
        """
        ip("link", "add", "hoplab0", "type", "veth")
        ip("link", "set", "hoplab0", "up")
        ip("address", "add", "10.1.2.3/32", "dev", "hoplab0")
        ip("route", "add", "default", "dev", "hoplab0")
        assert guard().device is None
        assert not guard().allows(PUBLIC)
        """
    )


def test_an_empty_namespace_is_not_the_lab_but_loopback_works() -> None:
    in_namespace(
        """
        found = guard()
        assert found.reach.startswith("loopback only")
        transport = KernelTransport(1, found)
        transport.send([packet(bytes.fromhex("0800f7fe00010000") + bytes(2), number("127.0.0.1"), 64)])
        assert transport.receive(2.0, lambda reply, length, stamp: None) == 1
        """
    )
