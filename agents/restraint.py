"""Whether, and how fast, this agent may probe now: what control orders, its quiet hours, and its data budget."""

from collections.abc import Callable
from datetime import datetime

from agents.clock import Clock
from agents.core.kindness import Kindness
from agents.core.near import Neighbours
from agents.core.orders import Orders, Rates
from agents.core.quiet import QuietHours
from agents.data_use import DataUse

QUIET, DATA_BUDGET = "quiet", "data_budget"
_REST_SECONDS = 300.0  # between two polls of control while nothing may be probed anyway
_LOOK_SECONDS, _RATE_SECONDS = 1.0, 60.0
_ROUNDING = 0.1  # changes of the budget's rate that are too small to be worth a word
_AHEAD = 60.0  # no targets are taken so shortly before quiet hours
_FIRST_YEAR = 2025  # a clock before that was never set: nobody knows whether it is night


class Restraint:
    """`look` is for the probing thread; the rest may be asked by all."""

    def __init__(
        self,
        orders: Orders,
        own: Rates,
        *,
        quiet: QuietHours,
        data: DataUse,
        clock: Clock,
        local: Callable[[float], datetime],
        neighbours: Neighbours,
    ) -> None:
        self._orders = orders
        self.own = own
        self._neighbours = neighbours
        self._quiet = quiet
        self._data = data
        self._clock = clock
        self._local = local
        self._looked: float | None = None
        self._rated: float | None = None
        self._budget_rate = float("inf")
        self._resting: str | None = None
        self.kindness = Kindness()
        self.quiet_soon = False
        self.look()

    @property
    def halted(self) -> str | None:
        """Why nothing may be probed, as a word: stopped, paused, quiet, data_budget; None when it may."""
        return self._orders.halted or self._resting

    @property
    def resting(self) -> bool:
        """Whether our own settings say not to probe now."""
        return self._resting is not None

    @property
    def rates(self) -> Rates:
        """The rates that hold."""
        told = self._orders.rates(self.own)
        return told._replace(
            packets_per_second=min(told.packets_per_second, self._budget_rate) * self.kindness.part,
            per_router_per_second=told.per_router_per_second / self._neighbours.share,
        )

    def look(self) -> bool:
        """See what time it is and what was used, once a second; whether it was time to."""
        now = self._clock.steady()
        if self._looked is not None and now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        time = self._local(self._clock.wall())
        second = time.hour * 3600 + time.minute * 60 + time.second
        self._data.look(time.toordinal())
        known = time.year >= _FIRST_YEAR
        self.quiet_soon = bool(self._quiet) and self._quiet.hold(second + _AHEAD)
        if self._quiet and (not known or self._quiet.hold(second)):
            self._resting = QUIET
        else:
            self._resting = None if self._data.budget.may_probe else DATA_BUDGET
        if self._data.limited and (self._rated is None or now - self._rated >= _RATE_SECONDS):
            self._rated = now
            self._spread(self._quiet.open_seconds(second))
        return True

    def _spread(self, seconds: float) -> None:
        rate = self._data.budget.rate(seconds)
        if not abs(rate - self._budget_rate) <= _ROUNDING * rate:
            self._budget_rate = rate

    def may_talk(self) -> bool:
        """Whether results may be handed in."""
        return self._data.budget.may_talk

    def poll_pause(self) -> float:
        """The least time between two polls of control now, in seconds."""
        if not self._data.budget.may_talk:
            return float("inf")
        return _REST_SECONDS if self._resting else 0.0
