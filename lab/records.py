"""What a running lab tells: answers to requests, the truth and the counters as files."""

import json
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from hopmap.errors import UserError
from lab import truthfile
from lab.exchange import Exchange
from lab.world import statistics, truth
from lab.world.world import World

MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Records:
    """Of one lab. `about` goes into the first row of the truth, `truth` is where that is written if nobody says."""

    exchange: Exchange
    transport: str
    about: dict[str, str]
    truth: Path | None

    @property
    def world(self) -> World:
        """The world that is spoken of."""
        return self.exchange.world

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the control socket's clients get."""
        asked = request.get("do")
        if asked == "stats":
            return {"stats": self.statistics(_count(request))}
        if asked == "truth":
            path = request.get("path") or self.truth
            if path is None:
                raise UserError("the lab was started without --truth: name a file, hopmap lab truth FILE")
            return {"rows": self.write_truth(Path(str(path))), "path": str(path)}
        if asked == "change":
            return self._change(request)
        if asked == "moved":
            return self._moved(request)
        raise UserError(f"the lab knows change, moved, stats and truth, not '{asked}'")

    def _change(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = request.get("worker", 0)
        if not isinstance(worker, int) or not 0 <= worker < len(self.world.vantages):
            raise UserError(f"there is no worker {worker}")
        try:
            target = int(IPv4Address(str(request.get("target"))))
            now = self.exchange.now()
            moved = self.world.change(str(request.get("kind")), worker, target, now)
            return {"moved": moved, "at": now, "change": len(self.world.epochs) - 1}
        except (ValueError, AddressValueError) as error:
            raise UserError(str(error)) from error

    def _moved(self, request: dict[str, Any]) -> dict[str, Any]:
        """Which paths a change has moved; the last one, if none is named."""
        world = self.world
        last = len(world.epochs) - 1
        change = request.get("change") or last
        if not isinstance(change, int) or not 1 <= change <= last:
            raise UserError(f"there is no change {change}: {last} have been made")
        pairs = truth.moved(world, change)
        paths = [{"worker": worker, "target": truth.dotted(target)} for worker, target in pairs]
        return {"change": change, "at": world.epochs[change][0], "probed": len(world.probed), "paths": paths}

    def statistics(self, top: int) -> dict[str, Any]:
        """The world's counters and the loop's; the `top` highest of each kind."""
        loop = self.exchange
        flow = {
            "received": loop.received,
            "delivered": loop.delivered,
            "undelivered": loop.undelivered,
            "overflowed": loop.overflowed,
        }
        head = {"transport": self.transport, "uptime_s": round(loop.now(), 3), "packets": flow}
        return head | statistics.statistics(loop.world, top)

    def write_truth(self, path: Path) -> int:
        """Write the truth as of now; how many rows."""
        rows = truth.rows(self.world, self.exchange.now())
        return truthfile.write(path, (row | self.about if row["kind"] == "world" else row for row in rows))

    def write_statistics(self, path: Path) -> None:
        """Write the counters as of now. UserError when that can't be done."""
        try:
            path.write_text(json.dumps(self.statistics(MOST_ROWS), indent=2) + "\n")
        except OSError as error:
            raise UserError(f"cannot write the counters to {path}: {error.strerror}") from error


def _count(request: dict[str, Any]) -> int:
    top = request.get("top", statistics.TOP)
    if not isinstance(top, int) or not 1 <= top <= MOST_ROWS:
        raise UserError(f"top is how many rows of each kind, from 1 to {MOST_ROWS}")
    return top
