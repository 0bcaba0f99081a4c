"""What a manager among several stands in: where it keeps things, whom it asks and how, what time it is."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manager.dyfi import moments
from manager.dyfi.account import Account
from manager.dyfi.core.moment import Moment
from manager.failover.front import FrontControl
from manager.failover.internet import Peers
from manager.failover.side import Side
from manager.fleet.line import Line


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`key` is that of managers which share a server key; `checks` are the places that show whether we are online."""

    state_dir: Path
    key: bytes
    peers: Peers
    line: Line
    account: Account
    checks: tuple[str, ...]
    front: FrontControl
    side: Side
    now: Callable[[], Moment] = moments.now
    chance: Callable[[], float] = random.random
