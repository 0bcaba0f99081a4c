"""The guard, with namespaces made up by the test."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.probe import routes
from agents.probe.guard import LAB_DEVICE, Guard, lab_is_the_only_way_out
from agents.probe.routes import Route
from hopmap.addresses import number
from hopmap.data.special import special_use

CONTACT = "mailto:me@example.org"
DEFAULT = Route(0, 0, (LAB_DEVICE,))


@dataclass
class Namespace:
    """What the kernel would say."""

    listed: list[Route] = field(default_factory=list)
    drivers: dict[str, str] = field(default_factory=dict)

    def routes(self) -> Iterable[Route]:
        return self.listed

    def driver(self, device: str) -> str | None:
        return self.drivers.get(device)


OUTSIDE = Namespace([Route(0, 0, ("eth0",))], {"eth0": "virtio_net"})
LAB = Namespace([DEFAULT], {LAB_DEVICE: "tun"})
ANYWHERE = st.integers(0, 2**32 - 1)


@given(address=ANYWHERE)
def test_without_a_contact_only_loopback_is_open(address: int) -> None:
    guard = Guard("", OUTSIDE)
    assert guard.device is None
    assert guard.allows(address) == (address >> 24 == 127)


@given(address=ANYWHERE)
def test_with_a_contact_public_addresses_are_open_too(address: int) -> None:
    guard = Guard(CONTACT, OUTSIDE)
    assert guard.device is None
    assert guard.allows(address) == (address >> 24 == 127 or special_use(address) is None)


@given(address=ANYWHERE)
def test_in_the_lab_public_addresses_are_open_through_its_device_only(address: int) -> None:
    guard = Guard("", LAB)
    assert guard.device == LAB_DEVICE
    assert guard.allows(address) == (special_use(address) is None)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"]
)
@pytest.mark.parametrize("contact", ["", CONTACT])
@pytest.mark.parametrize("namespace", [OUTSIDE, LAB])
def test_special_addresses_are_never_probed(address: str, contact: str, namespace: Namespace) -> None:
    assert not Guard(contact, namespace).allows(number(address))


def test_a_contact_in_the_lab_is_the_ordinary_way() -> None:
    assert Guard(CONTACT, LAB).device is None


@pytest.mark.parametrize(
    "namespace",
    [
        Namespace(),
        Namespace([DEFAULT], {LAB_DEVICE: "dummy"}),
        Namespace([DEFAULT], {"tun0": "tun"}),
        Namespace([], {LAB_DEVICE: "tun"}),
        Namespace([DEFAULT, Route(0, 0, ("eth0",))], {LAB_DEVICE: "tun"}),
        Namespace([DEFAULT, Route(number("8.0.0.0"), 8, ("eth0",))], {LAB_DEVICE: "tun"}),
        Namespace([DEFAULT, Route(number("8.8.8.8"), 32, ("eth0",))], {LAB_DEVICE: "tun"}),
        Namespace([Route(0, 0, ("eth0", LAB_DEVICE))], {LAB_DEVICE: "tun"}),
        Namespace([DEFAULT, Route(0, 1, ())], {LAB_DEVICE: "tun"}),
        Namespace([DEFAULT, Route(number("172.0.0.0"), 8, ("eth0",))], {LAB_DEVICE: "tun"}),
        Namespace([Route(number("10.0.0.0"), 8, (LAB_DEVICE,))], {LAB_DEVICE: "tun"}),
    ],
)
def test_any_other_way_out_is_not_the_lab(namespace: Namespace) -> None:
    assert not lab_is_the_only_way_out(namespace)
    guard = Guard("", namespace)
    assert guard.device is None
    assert not guard.allows(number("8.8.8.8"))


def test_routes_within_private_space_lead_nowhere() -> None:
    inside = [Route(number("10.0.0.0"), 8, ("eth0",)), Route(number("192.168.7.0"), 24, ("eth0",))]
    assert lab_is_the_only_way_out(Namespace([DEFAULT, *inside], {LAB_DEVICE: "tun"}))


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value.ljust((len(value) + 3) & ~3, b"\0")


def route_message(*attributes: bytes, bits: int = 0, kind: int = 1) -> bytes:
    return struct.pack("=BBBBBBBBI", 2, bits, 0, 0, 254, 0, 0, kind, 0) + b"".join(attributes)


def test_routes_are_read_from_the_kernels_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_name", lambda index: f"dev{index}")
    one = route_message(attribute(1, bytes([8, 0, 0, 0])), attribute(4, struct.pack("=i", 3)), bits=8)
    hops = b"".join(struct.pack("=HBBi", 16, 0, 0, index) + attribute(5, b"\1\2\3\4") for index in (5, 4))
    several = route_message(attribute(9, hops))
    local = route_message(attribute(4, struct.pack("=i", 1)), kind=2)
    assert list(routes.routes_in(one)) == [Route(8 << 24, 8, ("dev3",))]
    assert list(routes.routes_in(several)) == [Route(0, 0, ("dev4", "dev5"))]
    assert list(routes.routes_in(local)) == []


@given(noise=st.binary(max_size=64))
def test_damaged_messages_end_the_reading(noise: bytes) -> None:
    list(routes.messages(noise))
    list(routes.routes_in(route_message(noise)))
    list(routes.routes_in(route_message(attribute(9, noise))))


def test_an_interface_that_went_away_is_still_told_apart() -> None:
    assert routes._name(2**30).startswith("#")
