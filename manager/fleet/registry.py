"""Which nodes there are: those of the configuration, and those that people registered, kept in the vault."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hopmap.client import Endpoint
from manager.audit import Audit
from manager.fleet.core import node as core
from manager.fleet.core.destination import Destination, read_url
from manager.fleet.core.node import Node, Unfit
from manager.vault import Vault

MOST = 2_000
_KIND, _TOKEN = "node", "nodetoken"  # kinds of places in the vault, no secrets themselves


class Registry:
    """All nodes. `new_id` makes a fresh id; `today` gives ISO 8601. What changes is audited.

    `fixed_token` opens the calls of the configuration's own nodes.
    """

    def __init__(
        self,
        vault: Vault,
        audit: Audit,
        fixed: Sequence[Node],
        new_id: Callable[[], str],
        today: Callable[[], str],
        *,
        fixed_token: str = "",
    ) -> None:
        self._vault, self._audit = vault, audit
        self._new_id, self._today, self._fixed_token = new_id, today, fixed_token
        self._changing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        kept = (core.decode(vault.get(place) or b"{}") for place in vault.places(_KIND))
        self._of = {node.id: node for node in (*fixed, *kept)}

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this after each change."""
        self._listeners.append(listener)

    def all(self) -> list[Node]:
        """Every node, by name."""
        return sorted(self._of.values(), key=lambda node: (node.kind, node.name, node.id))

    def get(self, node_id: str) -> Node | None:
        """A node by its id."""
        return self._of.get(node_id)

    def token(self, node_id: str) -> str:
        """The token that opens a node's calls; empty for none."""
        node = self._of.get(node_id)
        if node is None or node.fixed:
            return "" if node is None else self._fixed_token
        return (self._vault.get(f"{_TOKEN}/{node_id}") or b"").decode()

    def add(self, who: str, node: Node, token: str = "") -> Node:
        """Keep a new node under an id of its own. Unfit when it is there already, or the registry is full."""
        with self._changing:
            if len(self._of) >= MOST:
                raise Unfit(f"{MOST} nodes are registered, which is the most: remove some first.")
            same = next((one for one in self._of.values() if _is_same(one, node)), None)
            if same is not None:
                raise Unfit(f"It is registered already, as {same.name}.")
            made = replace(node, id=self._new_id(), added=self._today())
            self._keep(who, "node_added", made, {f"{_TOKEN}/{made.id}": token.encode()} if token else {})
        self._tell()
        return made

    def change(self, who: str, node_id: str, token: str | None = None, **fields: Any) -> Node:
        """Change name, notes, tags, watched, token (empty: none), or who it is. Unfit for an unknown node."""
        with self._changing:
            before = self._known(node_id)
            made = replace(before, **fields)
            secret = {} if token is None else {f"{_TOKEN}/{node_id}": token.encode() or None}
            if made != before or secret:
                self._keep(who, "node_changed", made, secret)
        self._tell()
        return made

    def remove(self, who: str, node_id: str) -> Node:
        """Forget a node and its token. Unfit for one of the configuration."""
        with self._changing:
            node = self._known(node_id)
            gone = {f"{_KIND}/{node_id}": None, f"{_TOKEN}/{node_id}": None}
            self._audit.change(who, "node_removed", gone, node=node_id, name=node.name, url=node.url)
            del self._of[node_id]
        self._tell()
        return node

    def _known(self, node_id: str) -> Node:
        node = self._of.get(node_id)
        if node is None:
            raise Unfit("There is no such node any more.")
        if node.fixed:
            raise Unfit(f"{node.name} stands in the manager's configuration: change it there.")
        return node

    def _keep(self, who: str, did: str, node: Node, secrets: dict[str, bytes | None] | dict[str, bytes]) -> None:
        changes: dict[str, bytes | None] = {f"{_KIND}/{node.id}": core.encode(node), **secrets}
        told = {"node": node.id, "name": node.name, "url": node.url, "tags": ",".join(node.tags)}
        told |= {"permitted": node.permitted} if node.permitted else {}
        told |= {"instance": node.instance} if node.instance else {}
        self._audit.change(who, did, changes, **told, watched="yes" if node.watched else "no")
        self._of[node.id] = node

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def fixed_node(kind: str, url: str) -> Node:
    """A node of the manager's own configuration, which is watched by that."""
    scheme, _, place = url.partition("://")
    short = "/".join(place.split("/")[-2:]) if scheme == "unix" else place
    return Node(f"{kind}:{url}"[:120], url, kind, "", short[-60:].strip("/"), fixed=True)


def place_of(node: Node) -> Destination | Endpoint | None:
    """Where a node is asked; None for one that reports by itself."""
    if not node.url:
        return None
    return Endpoint.parse(node.url) if node.fixed else read_url(node.url)


def _is_same(one: Node, other: Node) -> bool:
    if other.key:  # which is proven; an instance is only said
        return one.key == other.key
    return bool(other.url and one.url == other.url) or (bool(other.instance) and one.instance == other.instance)
