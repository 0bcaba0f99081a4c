"""The one writer of the control document: a change is audited, made durable, and only then told to anybody."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from hopmap.identity import write_whole
from hopmap.wire import decode
from hopmap.wire.control import Control, encode_control
from manager.audit import Audit
from manager.failover.core import epoch
from manager.fleet.control_store import ControlStore
from manager.fleet.core import orders as core
from manager.fleet.core.orders import Change, NotPossible, Orders
from manager.vault import NotLeading, Vault

DOCUMENT = "control.json"
AFTER_LOSS = 1000  # versions left out when our own memory of them turns out to be older than it was
VERSION = "control/version"  # its place in the vault


class Tenure(NamedTuple):
    """The epoch of a manager among several; whom to tell that orders of a later one were found."""

    epoch: int
    overtaken: Callable[[int], None]


class Steering:
    """Orders in force, and the file of the whole document for who serves it beside the inputs (the gateway)."""

    def __init__(self, state_dir: Path, vault: Vault, audit: Audit, tenure: Tenure | None = None) -> None:
        self._tenure = tenure
        self.store = ControlStore(state_dir)
        self._file = state_dir / DOCUMENT
        self._vault, self._audit = vault, audit
        self._changing = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.orders = self.store.load()
        counted = int(vault.get(VERSION) or b"0")
        # where vault and store differ, one of them is an older copy, or a change was cut short between them
        gap = 1 if counted == self.orders.version else AFTER_LOSS
        self._least = max(counted, self.orders.version) + gap
        if tenure is not None:
            self._least = max(self._least, epoch.first_version(tenure.epoch) + 1)
        self._write_document()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this after each change."""
        self._listeners.append(listener)

    def change(self, who: str, change: Change) -> Orders:
        """Make a change; the orders then in force. NotPossible, or OSError when it can't be kept."""
        with self._changing:
            if core.changes_nothing(self.orders, change):
                return self.orders
            made = self._make(who, "orders_changed", change, self.orders.version)
        self._tell()
        return made

    def reissue(self) -> None:
        """In a new epoch give the orders anew, so that no input takes what a manager of an earlier one says."""
        with self._changing:
            if self._tenure is None or epoch.of_version(self.orders.version) >= self._tenure.epoch:
                return
            self._make("failover", "orders_reissued", Change(), self.orders.version)
        self._tell()

    def is_overtaken(self, found: Control) -> bool:
        """Whether a document found at an input is of a later epoch: who leads in that is told to step down."""
        if self._tenure is None or not epoch.overtakes(found.version, self._tenure.epoch):
            return False
        self._tenure.overtaken(epoch.of_version(found.version))
        return True

    def may_tell(self) -> bool:
        """Whether this manager leads, as far as it can see."""
        try:
            self._vault.fence()
        except NotLeading:
            return False
        return True

    def adopt(self, where: str, found: Control) -> Orders:
        """A foreign document was found at an input: go on above it, and let it make us more cautious only.

        One that says what we say then is taken as ours: two managers of one input would overtake each other for ever.
        NotPossible for a version that can't have come about.
        """
        with self._changing:
            if not core.is_credible(self._counted(), found):
                raise NotPossible(f"it has version {found.version} in force, which is none that we can have given")
            change = core.caution(self.orders, found)
            if found.version < self.orders.version and core.changes_nothing(self.orders, change):
                return self.orders
            same = found.version >= self._least and core.holds(core.after(self.orders, change, found.version), found)
            made = self._make(where, "orders_found", change, found.version - 1 if same else found.version)
        self._tell()
        return made

    def is_foreign(self, found: Control) -> bool:
        """Whether a document found at an input is one that we know nothing of."""
        return core.is_foreign(self.orders, self.store.given(found.version), found)

    def document(self, since: int = 0) -> Control:
        """What is told to who has version `since`."""
        return core.document(self.orders, since)

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def _counted(self) -> Orders:
        """For judging claims: the newest version that we may have given and forgotten."""
        return Orders(version=max(self.orders.version, self._least))

    def _make(self, who: str, did: str, change: Change, above: int) -> Orders:
        made = core.after(self.orders, change, max(above + 1, self.orders.version + 1, self._least))
        told = {name: value for name, value in shown(change).items() if value}
        self._audit.change(who, did, {VERSION: b"%d" % made.version}, version=str(made.version), **told)
        self._least = made.version + 1  # whatever comes of it, this version is used up
        self.store.keep(made)
        self.orders = made
        self._write_document()
        return made

    def _write_document(self) -> None:
        write_whole(self._file, decode.dump(encode_control(self.document())), 0o640)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def shown(change: Change) -> dict[str, str]:
    """A change in words, for the audit log: at most a few of what may be many."""
    stop = "" if change.stop is None else ("yes" if change.stop else "no")
    return {
        "stop": stop,
        "pause": _some(change.pause),
        "resume": _some(change.resume),
        "rates": "" if change.rates is None else _some(f"{k}={v:g}" for k, v in change.rates.items()) or "none",
        "agent_version": "" if change.agent_version is None else change.agent_version or "none",
        "agent_sha256": change.agent_sha256 or "",
        "opt_out": _some(one.prefix for one in change.opt_out),
        "opt_in": _some(change.opt_in),
    }


def _some(words: Iterable[str]) -> str:
    listed = sorted(words)
    return ",".join(listed[:50]) + (f",and {len(listed) - 50} more" if len(listed) > 50 else "")
