"""Results and settings that the manager's tests share."""

from collections.abc import Callable

import pytest

from hopmap.wire.result import Hop, Ping, Result, Trace

MakeResult = Callable[..., Result]


@pytest.fixture
def make_result() -> MakeResult:
    def make(
        sequence: int,
        agent: str = "a1",
        spool: str = "s",
        second: int = 0,
        *,
        answered: bool = True,
        traced: bool = True,
    ) -> Result:
        hops = (Hop(1, "10.0.0.1", 1.0), Hop(2), Hop(3, None, redacted=True), Hop(4, "52.94.76.10", 9.04))
        return Result(
            id=f"{agent}:{spool}:{sequence}",
            agent=agent,
            target="52.94.76.10",
            started=f"2026-11-23T08:00:{second:02}.000Z",
            ping=Ping("icmp", 1, 1, (9.04,)) if answered else Ping("icmp", 2, 0),
            trace=Trace("icmp", 1, reached=True, stop_reason="reached", probes=5, hops=hops) if traced else None,
        )

    return make
