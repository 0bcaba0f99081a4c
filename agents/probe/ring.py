"""The slots of the probes in flight, in parallel arrays: 65,535 of them, found by sequence number."""

from array import array
from collections.abc import Mapping

from agents.core.measurement import Measurement
from agents.core.reply import Reply, same_flow

SLOTS = 65_535  # a UDP checksum tells no more apart
_NUMBERS = 65_536
REUSE_AFTER = 10_000_000_000  # ns a slot stays recognisable, so that a late answer is never taken for another's

FREE, LIVE, GIVEN_UP, ANSWERED = range(4)  # FREE is false


class Ring:
    """Arrays indexed by slot: when it was sent (monotonic ns), to whom, as which protocol, checksum and TTL, for whom.

    About 1.6 MB for good, whatever is in flight. `identifiers` are what all probes of a protocol have in common.
    """

    __slots__ = ("_identifiers", "_next", "checksum", "owner", "protocol", "sent_at", "state", "target", "ttl")

    def __init__(self, identifiers: Mapping[int, int]) -> None:
        self._identifiers = identifiers
        self._next = 0
        self.sent_at = array("q", bytes(8 * _NUMBERS))
        self.target = array("I", bytes(4 * _NUMBERS))
        self.checksum = array("H", bytes(2 * _NUMBERS))
        self.protocol = array("B", bytes(_NUMBERS))
        self.ttl = array("B", bytes(_NUMBERS))
        self.state = array("B", bytes(_NUMBERS))
        self.owner: list[Measurement | None] = [None] * _NUMBERS

    def next_slot(self, now: int) -> int:
        """The slot for the next probe; -1 while the oldest is still recognisable."""
        slot = self._next
        if self.state[slot] != FREE and now - self.sent_at[slot] < REUSE_AFTER:
            return -1
        return slot

    def claim(self, slot: int, ttl: int, owner: Measurement, protocol: int, checksum: int) -> None:
        """A probe is about to leave in `slot`, the one `next_slot` gave; `sent_at` is set when it has."""
        self._next = (slot + 1) % SLOTS
        self.target[slot] = owner.job.address
        self.protocol[slot] = protocol
        self.checksum[slot] = checksum
        self.ttl[slot] = ttl
        self.state[slot] = LIVE
        self.owner[slot] = owner
        owner.slots.append(slot)

    def unclaim(self, slot: int) -> None:
        """The probe did not leave."""
        owner = self.owner[slot]
        if owner is not None:
            owner.slots.remove(slot)
        self.owner[slot] = None
        self.state[slot] = FREE

    def release(self, owner: Measurement) -> None:
        """The owner wants to hear no more; answers to its probes are still told from strays."""
        for slot in owner.slots:
            if self.owner[slot] is owner:
                self.owner[slot] = None
        owner.slots.clear()

    def match(self, reply: Reply) -> int:
        """The slot of the probe that was answered; -1 when it is none of ours."""
        slot = reply.sequence
        if not self.state[slot] or self.target[slot] != reply.destination:
            return -1
        protocol, checksum = self.protocol[slot], self.checksum[slot]
        identifier = self._identifiers[protocol]
        if reply.checksum == checksum and reply.identifier == identifier and reply.protocol == protocol:
            return slot
        return slot if same_flow(reply, identifier, checksum, protocol) else -1

    def as_sent(self, slot: int, reply: Reply) -> Reply:
        """The answer to this slot's probe, marked where what it quotes is not what was sent."""
        if reply.checksum == self.checksum[slot] or not reply.icmp_type:
            return reply
        return reply._replace(translated=True)
