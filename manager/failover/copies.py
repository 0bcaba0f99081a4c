"""The copies of a leader's state: what the leader gives, and what a manager that stands by fetches and keeps."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from hopmap.errors import UserError
from hopmap.logs import event
from manager.core.sealing import Unsealable
from manager.failover import replica
from manager.failover.core.word import Word
from manager.failover.internet import Peers
from manager.failover.side import Side

_log = logging.getLogger(__name__)


class Copies:
    """`front` is the storage of the TLS front, whose certificates are put in place at once; `side` is the gateway."""

    def __init__(self, state_dir: Path, key: bytes, front: Path, side: Side) -> None:
        self._state_dir, self._key, self._front, self.side = state_dir, key, front, side
        self.state: Callable[[], dict[str, bytes]] | None = None  # of this manager while it leads
        self.version = ""

    def look(self) -> int:
        """See whether the own state is another now; how many bytes it has. OSError when it can't be read."""
        try:
            files = self._gathered()
        except UserError as error:
            raise OSError(str(error)) from error
        if files is None:
            return 0
        self.version = replica.version(files)
        return sum(map(len, files.values()))

    def mark(self) -> object:
        """Another when something was changed, found without reading it; certificates are left to the looks."""
        stamps = []
        for name in replica.WATCHED:
            try:
                state = (self._state_dir / name).stat()
            except FileNotFoundError:
                continue
            stamps.append((name, state.st_mtime_ns, state.st_size))
        return stamps, self.side.content()

    def sealed(self) -> bytes | None:
        """The own state, for another manager; None while this one does not lead."""
        files = self._gathered()
        return None if files is None else replica.sealed(self._key, files, os.urandom)

    def _gathered(self) -> dict[str, bytes] | None:
        state = self.state
        if state is None:
            return None
        given = self.side.content()
        return state() | ({} if given is None else {replica.GATEWAY: given})

    def forget(self) -> None:
        """This manager leads no more."""
        self.state, self.version = None, ""

    def fetch(self, peers: Peers, address: str, mine: Word, leader: Word) -> None:
        """Keep the leader's state, when it is another than the one that is kept. OSError when the disk refuses it."""
        if not leader.version or leader.version == self.version:
            return
        content = peers.state(address, mine)
        if not content:
            return  # it gave none: the next look says whether it is there
        try:
            files = replica.opened(self._key, content)
            replica.install_front(self._front, files)
        except (Unsealable, UserError, ValueError) as error:
            event(_log, logging.WARNING, "replica_not_taken", why=error)
            return
        replica.keep(self._state_dir, content)
        if replica.GATEWAY in files:
            self.side.keep(files[replica.GATEWAY])
        self.version = replica.version(files)
