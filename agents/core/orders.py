"""What the control documents heard so far tell this agent to do."""

from typing import NamedTuple

from agents.core.optouts import OptOuts
from hopmap.data.special import special_use
from hopmap.wire.control import Control, OptOutDelta

SILENCE = 60.0  # without word for so long, no further targets are asked for


class Rates(NamedTuple):
    """Packets per second: of the agent in all, to one /24, to one router near by. Infinite is no limit."""

    packets_per_second: float
    per_prefix_per_second: float
    per_router_per_second: float


class Orders:
    """Stop, pause, rate and opt-outs, as last heard. `own` are opt-outs of the operator, which nobody takes away."""

    def __init__(self, names: frozenset[str], own: OptOuts) -> None:
        self._names = names
        self._own = own
        self._told = OptOuts()
        self._opt_outs_at = 0
        self._place = -1
        self._control = Control()
        self._heard: float | None = None
        self.revision = 0
        """Rises whenever a document was obeyed."""

    @property
    def version(self) -> int:
        """The version of the document that holds."""
        return self._control.version

    @property
    def opt_outs_version(self) -> int:
        """The version up to which opt-outs are known; 0 asks for all of them."""
        return self._opt_outs_at

    @property
    def halted(self) -> str | None:
        """Why nothing may be probed, as a word; None when it may. A rate of 0 is a pause."""
        if self._control.stop:
            return "stopped"
        paused = self._names.intersection(self._control.paused) or 0.0 in self._control.rates.values()
        return "paused" if paused else None

    @property
    def wanted(self) -> tuple[str | None, str | None]:
        """The version that agents are to be, and the SHA-256 of its one file, where they are told."""
        return self._control.agent_version, self._control.agent_sha256

    def rates(self, own: Rates) -> Rates:
        """Our own settings, or what control says where that is less."""
        told = self._control.rates
        return Rates(*(min(told.get(key, ours), ours) for key, ours in zip(Rates._fields, own, strict=True)))

    @property
    def opt_outs(self) -> int:
        """How many prefixes are known to be opted out."""
        return len(self._own) + len(self._told)

    def heard(self, now: float) -> None:
        """The control place answered, with news or without."""
        self._heard = now

    def in_touch(self, now: float) -> bool:
        """Whether control was heard lately enough to begin new work."""
        return self._heard is not None and now - self._heard <= SILENCE

    def apply(self, control: Control, place: int) -> bool:
        """Obey a document from a place. False when its opt-outs can't be used: ask for all of them.

        An older document counts only from the place that gave the present one, which then began anew.
        """
        if control.version < self._control.version and place != self._place:
            return True
        anew = control.version < self._opt_outs_at or place != self._place
        self._control, self._place = control, place
        whole = self._take(control.opt_outs, follows=not anew and control.opt_outs.since <= self._opt_outs_at)
        self._opt_outs_at = control.version if whole else 0
        self.revision += 1
        return whole

    def _take(self, delta: OptOutDelta, *, follows: bool) -> bool:
        """Take opt-outs over; False when what was before them is missing."""
        if delta.since == 0:
            self._told = OptOuts(one.prefix for one in delta.added)
            return True
        for one in delta.added:  # what is new holds at once, whatever is missing before it
            self._told.add(one.prefix)
        if follows:
            for prefix in delta.removed:
                self._told.remove(prefix)
        return follows

    def refusal(self, address: int) -> str | None:
        """Why an address must not be probed, as a word; None when it may."""
        if special_use(address) is not None:
            return "special"
        return "opted_out" if self._own.hold(address) or self._told.hold(address) else None
