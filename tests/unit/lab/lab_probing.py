"""Probes made by hand for tests, and answers taken apart by other means than the world's own."""

import struct
from typing import NamedTuple

from lab.world.world import World


def ones_sum(data: bytes) -> int:
    """RFC 1071 word by word, written out."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ip(source: int, target: int, protocol: int, ttl: int, payload: bytes, *, options: bytes = b"") -> bytes:
    first = 0x45 + len(options) // 4
    length = 20 + len(options) + len(payload)
    head = struct.pack(">BBHHHBBHII", first, 0, length, 0x1234, 0x4000, ttl, protocol, 0, source, target) + options
    return head[:10] + struct.pack(">H", 0xFFFF - ones_sum(head)) + head[12:] + payload


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    body = struct.pack(">BBH", kind, code, 0) + rest
    return body[:2] + struct.pack(">H", 0xFFFF - ones_sum(body)) + body[4:]


def echo(world: World, target: int, ttl: int = 64, *, worker: int = 0, sequence: int = 1, data: bytes = b"") -> bytes:
    body = icmp(8, 0, struct.pack(">HH", 0x7777, sequence) + data)
    return ip(world.vantages[worker].source, target, 1, ttl, body)


def paris(world: World, target: int, ttl: int, *, flow: int = 0x4321, sequence: int = 1) -> bytes:
    """An echo request whose checksum is `flow` for every sequence number."""
    body = struct.pack(">BBHHH", 8, 0, flow, 0x7777, sequence)
    body += struct.pack(">H", 0xFFFF - ones_sum(body))
    return ip(world.vantages[0].source, target, 1, ttl, body)


def with_ports(world: World, target: int, protocol: int, ttl: int, segment: bytes) -> bytes:
    """A UDP or TCP packet with its checksum filled in."""
    place = {6: 16, 17: 6}[protocol]
    source = world.vantages[0].source
    pseudo = struct.pack(">IIBBH", source, target, 0, protocol, len(segment))
    total = 0xFFFF - ones_sum(pseudo + segment)
    return ip(source, target, protocol, ttl, segment[:place] + struct.pack(">H", total) + segment[place + 2 :])


def tcp(world: World, target: int, port: int, flags: int, ttl: int = 64) -> bytes:
    segment = struct.pack(">HHIIBBHHH", 40000, port, 1000, 2000, 0x50, flags, 1024, 0, 0)
    return with_ports(world, target, 6, ttl, segment)


def udp(world: World, target: int, port: int, data: bytes = b"", ttl: int = 64) -> bytes:
    return with_ports(world, target, 17, ttl, struct.pack(">HHHH", 40000, port, 8 + len(data), 0) + data)


class Answered(NamedTuple):
    """An answer taken apart."""

    source: int
    ttl: int
    protocol: int
    kind: int
    code: int
    payload: bytes
    rtt: float


def take_apart(world: World, packet: bytes, now: float = 0.0, worker: int = 0) -> Answered | None:
    """Send a packet; the one answer, its sums and lengths checked; None for silence."""
    answers = world.receive(worker, packet, now)
    if not answers:
        return None
    when, out = answers[0]
    assert out[0] == 0x45
    assert ones_sum(out[:20]) == 0xFFFF
    assert struct.unpack(">H", out[2:4])[0] == len(out)
    assert int.from_bytes(out[16:20], "big") == world.vantages[worker].source
    if out[9] == 1:
        assert ones_sum(out[20:]) == 0xFFFF
    else:
        pseudo = out[12:20] + bytes((0, out[9])) + struct.pack(">H", len(out) - 20)
        assert ones_sum(pseudo + out[20:]) == 0xFFFF
    return Answered(int.from_bytes(out[12:16], "big"), out[8], out[9], out[20], out[21], out[20:], when - now)


def objects(payload: bytes) -> list[tuple[int, int, bytes]]:
    """The (class, C-type, payload) of the extension objects in an ICMP error, by RFC 4884; its sum is checked."""
    begin = 8 + (payload[5] * 4 or 128)
    assert payload[begin] >> 4 == 2
    assert ones_sum(payload[begin:]) == 0xFFFF
    found, at = [], begin + 4
    while at < len(payload):
        size, kind, subkind = struct.unpack_from(">HBB", payload, at)
        assert 4 <= size <= len(payload) - at
        found.append((kind, subkind, payload[at + 4 : at + size]))
        at += size
    return found


def stack(body: bytes) -> list[tuple[int, int, int, int]]:
    """The (label, traffic class, bottom, TTL) of a label stack's entries."""
    entries = [word for (word,) in struct.iter_unpack(">I", body)]
    return [(word >> 12, word >> 9 & 7, word >> 8 & 1, word & 255) for word in entries]
