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

_log = logging.getLogger(__name__)


class Copies:
    """`front` is the storage of the TLS front, whose certificates are put in place at once."""

    def __init__(self, state_dir: Path, key: bytes, front: Path) -> None:
        self._state_dir, self._key, self._front = state_dir, key, front
        self.state: Callable[[], dict[str, bytes]] | None = None  # of this manager while it leads
        self.version = ""

    def look(self) -> None:
        """See whether the own state is another now. OSError when it can't be read."""
        if self.state is None:
            return
        try:
            self.version = replica.version(self.state())
        except UserError as error:
            raise OSError(str(error)) from error

    def sealed(self) -> bytes | None:
        """The own state, for another manager; None while this one does not lead."""
        return None if self.state is None else replica.sealed(self._key, self.state(), os.urandom)

    def forget(self) -> None:
        """This manager leads no more."""
        self.state, self.version = None, ""

    def fetch(self, peers: Peers, address: str, mine: Word, leader: Word) -> None:
        """Keep the leader's state, when it is another than the one that is kept. OSError when the disk refuses it."""
        if not leader.version or leader.version == self.version:
            return
        content = peers.state(address, mine)
        try:
            files = replica.opened(self._key, content)
            replica.install_front(self._front, files)
        except (Unsealable, UserError, ValueError) as error:
            event(_log, logging.WARNING, "replica_not_taken", why=error)
            return
        replica.keep(self._state_dir, content)
        self.version = replica.version(files)
