"""NAT in front of a worker, as RFC 3022 has it, and what errors quote then."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_probing import Answered, echo, ip, ones_sum, paris, take_apart, tcp, udp
from lab_standin import FACTS

from lab.world import truth
from lab.world.nat import Nat
from lab.world.plan import PRESETS
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203
PUBLIC = 0x14000001
PLAIN = World(PRESETS["calm"], 1, FACTS)


def straight(make_world: MakeWorld, **changes: float) -> World:
    return make_world("calm", balanced=0.0, balanced_fabric=0.0, skewed=0.0, quote_long=0.0, **changes)


def sums(packet: bytes) -> tuple[int, int]:
    """The ones' complement sums of the header and of the payload with its pseudo header, 0xffff where right."""
    pseudo = b"" if packet[9] == 1 else packet[12:20] + bytes((0, packet[9])) + struct.pack(">H", len(packet) - 20)
    return ones_sum(packet[:20]), ones_sum(pseudo + packet[20:])


@given(st.integers(1, 0xFFFF), st.sampled_from([1, 6, 17]))
def test_what_leaves_the_home_has_right_sums_and_another_name(moved: int, protocol: int) -> None:
    world = PLAIN
    packet = {1: echo(world, TARGET), 6: tcp(world, TARGET, 443, 2), 17: udp(world, TARGET, 33434, b"odd")}[protocol]
    out = Nat(PUBLIC, moved, left=True).outward(packet, 20)
    assert sums(out) == (0xFFFF, 0xFFFF)
    assert int.from_bytes(out[12:16], "big") == PUBLIC
    place = 24 if protocol == 1 else 20
    names = [int.from_bytes(one[place : place + 2], "big") for one in (packet, out)]
    assert (names[1] - names[0]) % 0x10000 == moved
    total = {1: 22, 6: 36, 17: 26}[protocol]
    rest = set(range(len(packet))) - {10, 11, 12, 13, 14, 15, place, place + 1, total, total + 1}
    assert all(packet[at] == out[at] for at in rest)


def test_what_has_no_name_or_no_sum_is_left_as_it_is() -> None:
    nat = Nat(PUBLIC, 5, left=True)
    other = ip(0xC0A80102, TARGET, 47, 64, bytes(range(8)))
    assert nat.outward(other, 20)[20:] == other[20:]
    assert ones_sum(nat.outward(other, 20)[:20]) == 0xFFFF
    unsummed = ip(0xC0A80102, TARGET, 17, 64, b"\x10\x00\x20\x00\x00\x08\x00\x00")
    assert nat.outward(unsummed, 20)[20:] == b"\x10\x05\x20\x00\x00\x08\x00\x00"
    short = ip(0xC0A80102, TARGET, 6, 64, b"\x10\x00\x20\x00\x00\x08\x00\x00")
    assert nat.outward(short, 20)[20:] == b"\x10\x05\x20\x00\x00\x08\x00\x00"


def quotes(world: World) -> dict[int, bytes]:
    found = {}
    for ttl in (1, 2, 4):
        answered = take_apart(world, paris(world, TARGET, ttl), ttl * 10.0)
        assert answered is not None
        found[ttl] = answered.payload[8:]
        assert ones_sum(found[ttl][:20]) == 0xFFFF
    return found


def heard(world: World, packet: bytes) -> Answered:
    answered = take_apart(world, packet, 99.0)
    assert answered is not None
    return answered


def test_a_nat_that_mends_quotations_can_not_be_seen_in_them(make_world: MakeWorld) -> None:
    world = straight(make_world, nat=1.0)
    for ttl, quoted in quotes(world).items():
        assert quoted[12:] == paris(world, TARGET, ttl)[12:28]
    reply = heard(world, echo(world, TARGET))
    assert (reply.source, reply.payload[4:6]) == (TARGET, b"\x77\x77")


def test_a_nat_that_leaves_quotations_shows_what_it_wrote(make_world: MakeWorld) -> None:
    world = straight(make_world, nat_left=1.0)
    nat = world.vantages[0].nat
    assert nat is not None
    found = quotes(world)
    assert found[1][12:] == paris(world, TARGET, 1)[12:28]  # it ended before it was translated
    for ttl in (2, 4):
        sent, quoted = paris(world, TARGET, ttl), found[ttl]
        assert int.from_bytes(quoted[12:16], "big") == nat.public
        words = [struct.unpack(">HHH", one[22:28]) for one in (sent, quoted)]
        assert (words[1][1] - words[0][1]) % 0x10000 == nat.moved
        assert (words[1][0] + words[1][1] - words[0][0] - words[0][1]) % 0xFFFF == 0  # the checksum took it up
        assert words[1][2] == words[0][2]
    reply = heard(world, echo(world, TARGET))
    assert (reply.source, reply.payload[4:6]) == (TARGET, b"\x77\x77")
    accepted = heard(world, tcp(world, TARGET, 443, 2))
    assert int.from_bytes(accepted.payload[2:4], "big") == 40000
    closed = heard(world, udp(world, TARGET, 33434))
    assert int.from_bytes(closed.payload[28:30], "big") == (40000 + nat.moved) % 0x10000
    at_home = heard(world, udp(world, world.vantages[0].gateway, 33434))
    assert int.from_bytes(at_home.payload[28:30], "big") == 40000


def test_a_flow_stays_one_flow_behind_a_nat(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=0.8, balanced_fabric=1.0, nat=1.0)
    ways = set()
    for flow in range(1, 30):
        sources = []
        for sequence in (1, 2, 3):
            asked = [take_apart(world, paris(world, TARGET, ttl, flow=flow, sequence=sequence)) for ttl in range(2, 30)]
            sources.append(tuple(one.source for one in asked if one is not None))
        assert len(set(sources)) == 1
        ways.add(sources[0])
    assert len(ways) > 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [({}, None), ({"nat": 1.0}, "mended in quotations"), ({"nat_left": 1.0}, "left in quotations")],
)
def test_the_truth_tells_which_worker_is_behind_what(
    make_world: MakeWorld, changes: dict[str, float], said: str | None
) -> None:
    world = make_world("calm", workers=24, **changes)
    rows = [row for row in truth.rows(world, 0.0) if row["kind"] == "worker"]
    assert [row["nat"] for row in rows] == [said] * 24
    assert len({row["public"] for row in rows}) == (24 if said else 1)


def test_an_access_network_that_announces_nothing_has_an_outside_too(make_world: MakeWorld) -> None:
    facts = make_world().networks.facts
    world = World(make_world("calm", nat=1.0).plan, 1, facts._replace(ranges_of=lambda number: []))
    nat = world.vantages[0].nat
    assert nat is not None
    assert nat.public >> 8 == 198 << 16 | 51 << 8 | 100
