"""The fleet put together: registry, line, polls, control and alarms of one manager."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from manager.audit import Audit
from manager.fleet import asking, reports
from manager.fleet.alarms import Alarms, Send
from manager.fleet.control import Steering, Tenure
from manager.fleet.core.condition import Wanted
from manager.fleet.core.destination import Network
from manager.fleet.core.node import Node, Unfit, read_kind, read_token
from manager.fleet.courier import Couriers, To
from manager.fleet.history_store import HistoryStore
from manager.fleet.line import Line
from manager.fleet.opting_out import OptingOut, Proofs, Reverse
from manager.fleet.origins import Origins
from manager.fleet.polling import Clocks, Known, Polling
from manager.fleet.registry import Registry, place_of
from manager.fleet.reports import Report, Reports
from manager.vault import Vault


@dataclass(frozen=True, slots=True)
class Given:
    """What the configuration says: nodes of its own and their token, networks that may be connected to."""

    fixed: Sequence[Node] = ()
    allowed: Sequence[Network] = ()
    site: str = "http://localhost"
    poll_seconds: float = 60.0
    token: str = ""
    gateway: str = ""
    contact: str = ""


class Fleet:
    """All of it over one state directory. UserError when a file of it can't be used."""

    def __init__(
        self,
        state_dir: Path,
        vault: Vault,
        audit: Audit,
        given: Given,
        ways: Callable[[Line], Mapping[str, Send]] = lambda _: {},
        *,
        clocks: Clocks | None = None,
        line: Line | None = None,
        tenure: Tenure | None = None,
    ) -> None:
        self.clocks = clocks or Clocks()
        self._late = 1.5 * given.poll_seconds
        self.contact, self.gateway = given.contact, given.gateway
        self.line = line or Line(given.allowed)
        self.store = HistoryStore(state_dir)
        self.registry = Registry(vault, audit, given.fixed, _new_id, self._today, fixed_token=given.token)
        self.steering = Steering(state_dir, vault, audit, tenure)
        self.couriers = Couriers(self.steering, self.line)
        self.alarms = Alarms(self.store, ways(self.line), given.site, self.clocks.now)
        self._wanted = Wanted(self.steering.orders.version, self.clocks.now())
        self.polling = Polling(
            self.registry,
            self.store,
            self.line,
            self.wanted,
            self.alarms.tell,
            clocks=self.clocks,
            seconds=given.poll_seconds,
        )
        self.origins = Origins(self.registry, self.line)
        proofs = Proofs(Reverse().names, self.line)
        self.opting_out = OptingOut(self.steering, vault, proofs, self.clocks.now, os.urandom)
        often = min(reports.SECONDS, given.poll_seconds / 3)  # late ones would be taken for silent nodes
        self.reports = Reports(self.line, given.gateway, self.report, often) if given.gateway else None
        self.steering.on_change(self._steered)
        self.registry.on_change(self._serve_inputs)

    def start(self) -> None:
        """Begin to poll, to tell and to alarm."""
        self.steering.reissue()
        self._serve_inputs()
        self.polling.start()
        self.alarms.start()
        if self.reports is not None:
            self.reports.start()

    def close(self) -> None:
        """End all of it, and close the files."""
        if self.reports is not None:
            self.reports.close()
        self.polling.close()  # first, as what it finds may call for another courier
        self.couriers.close()
        self.alarms.close()
        self.store.close()
        self.steering.close()

    def register(self, who: str, url: str, token: str = "") -> Node:
        """Look at a URL, and keep what says there that it is a service of ours. Unfit says why not."""
        found = asking.introduce(self.line, url, read_token(token))
        node = self.registry.add(who, found, token)
        self.polling.soon(node.id)
        return node

    def report(self, report: Report) -> None:
        """What a node that can't be reached told of itself, through the gateway; it is registered by that."""
        info = report.info
        node = next((one for one in self.registry.all() if one.instance == info.instance_id), None)
        if node is None:
            fresh = Node("", "", read_kind(info.service_type), info.instance_id, report.reading.name or report.node)
            node = self._set_up_anew(fresh, report.age) or self.registry.add("gateway", fresh)
        if not node.url and node.watched and report.age <= self._late:  # an older one is of a node that may be gone
            told = report.reading._replace(version=info.version, instance=info.instance_id)
            self.polling.heard(node, told)

    def _set_up_anew(self, fresh: Node, age: float) -> Node | None:
        """The node that a new instance of its name goes on as; None for a new name. Unfit while the former reports."""
        called = (fresh.kind, fresh.name)
        former = next((one for one in self.registry.all() if not one.url and (one.kind, one.name) == called), None)
        if former is None:
            return None
        seen = self.polling.known().get(former.id, Known()).seen
        if self.clocks.now() - age - seen <= self._late:
            raise Unfit(f"Another one reports as {fresh.name}: when that is silent this one takes its place.")
        return self.registry.change("gateway", former.id, instance=fresh.instance)

    def wanted(self) -> Wanted:
        """The orders that nodes should follow."""
        return self._wanted

    def _steered(self) -> None:
        self._wanted = Wanted(self.steering.orders.version, self.clocks.now())

    def _serve_inputs(self) -> None:
        inputs = []
        for node in self.registry.all():
            place = place_of(node)
            if node.kind == "input" and place is not None and node.watched:
                inputs.append(To(node.id, place, self.registry.token(node.id)))
        self.couriers.serve(inputs)

    def today(self) -> str:
        """The day, in UTC."""
        return self._today()[:10]

    def _today(self) -> str:
        return datetime.fromtimestamp(self.clocks.now(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _new_id() -> str:
    return f"n-{secrets.token_hex(4)}"
