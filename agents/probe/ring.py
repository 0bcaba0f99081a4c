"""The slots of the probes in flight, in parallel arrays: 65,536 of them, found by sequence number."""

from array import array

from agents.core.measurement import Measurement
from agents.core.reply import Reply, same_flow

SLOTS = 65_536
REUSE_AFTER = 10_000_000_000  # ns a slot stays recognisable, so that a late answer is never taken for another's

FREE, LIVE, GIVEN_UP, ANSWERED = range(4)


class Ring:
    """Arrays indexed by slot: when it was sent (monotonic ns), to whom, with which checksum and TTL, for whom.

    About 1.5 MB for good, whatever is in flight.
    """

    __slots__ = ("_identifier", "_next", "checksum", "owner", "sent_at", "state", "target", "ttl")

    def __init__(self, identifier: int) -> None:
        self._identifier = identifier
        self._next = 0
        self.sent_at = array("q", bytes(8 * SLOTS))
        self.target = array("I", bytes(4 * SLOTS))
        self.checksum = array("H", bytes(2 * SLOTS))
        self.ttl = array("B", bytes(SLOTS))
        self.state = array("B", bytes(SLOTS))
        self.owner: list[Measurement | None] = [None] * SLOTS

    def next_slot(self, now: int) -> int:
        """The slot for the next probe; -1 while the oldest is still recognisable."""
        slot = self._next
        if self.state[slot] != FREE and now - self.sent_at[slot] < REUSE_AFTER:
            return -1
        return slot

    def claim(self, slot: int, now: int, ttl: int, owner: Measurement) -> None:
        """A probe is about to leave in `slot`, the one `next_slot` gave."""
        self._next = (slot + 1) % SLOTS
        self.sent_at[slot] = now
        self.target[slot] = owner.job.address
        self.checksum[slot] = owner.checksum
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
        if (
            self.state[slot] == FREE
            or self.target[slot] != reply.destination
            or not same_flow(reply, self._identifier, self.checksum[slot])
        ):
            return -1
        return slot
