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
        if any(one.url and one.instance == report.info.instance_id for one in self.registry.all()):
            return  # it is polled
        node = self._reporter(report)
        if node.watched and report.age <= self._late:  # an older one is of a node that may be gone
            told = report.reading._replace(version=report.info.version, instance=report.info.instance_id)
            self.polling.heard(node, told)

    def _reporter(self, report: Report) -> Node:
        """The node of that key: one set up anew goes on as it, once the former is silent. Unfit while that reports."""
        key, instance = report.node, report.info.instance_id
        there = self.registry.all()
        node = next((one for one in there if one.key == key), None)
        if node is None:  # one that an earlier build registered, which did not keep the key
            node = next((one for one in there if not one.key and one.instance == instance), None)
        if node is None:
            return self.registry.add(
                "gateway", Node("", "", read_kind(report.info.service_type), instance, key, key=key)
            )
        if (node.key, node.instance) == (key, instance):
            return node
        seen = self.polling.known().get(node.id, Known()).seen
        if node.instance != instance and self.clocks.now() - report.age - seen <= self._late:
            raise Unfit(f"Another one reports with the key of {key}: when that is silent this one takes its place.")
        return self.registry.change("gateway", node.id, instance=instance, key=key)

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
