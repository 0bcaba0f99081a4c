"""The cooldown on disk: 8 bytes a ping, appended before the ping leaves, rewritten now and then."""

import errno
import logging
import os
from pathlib import Path
from struct import Struct

from agents.clock import Clock
from agents.core.cooldown import Cooldown
from hopmap.errors import UserError, one_line
from hopmap.identity import write_whole
from hopmap.logs import event

_log = logging.getLogger(__name__)
_RECORD = Struct("<II")  # address, second of the steady clock
_SLACK = 8_192  # records that may be out of date before the file is rewritten


class CooldownLog:
    """A cooldown that survives restarts. UserError when its file can't be used, unless the disk is only full."""

    def __init__(self, path: Path, cooldown: Cooldown, clock: Clock) -> None:
        self._path = path
        self._cooldown = cooldown
        self._head = f"hopmap-cooldown 1 {clock.epoch()}\n".encode("ascii")
        self._descriptor = -1
        self._records = 0
        try:
            self._load(clock)
            self._rewrite()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise UserError(f"cannot use {path}: {one_line(error)}") from error
            event(_log, logging.WARNING, "cooldown_not_written", why=one_line(error))

    def ready(self, address: int, now: float) -> bool:
        """Whether the address may be pinged."""
        return self._cooldown.ready(address, now)

    def mark(self, address: int, now: float) -> None:
        """The address is pinged now; on a full disk this is remembered in memory alone, until there is room."""
        record = _RECORD.pack(address, self._cooldown.mark(address, now))
        try:
            if self._descriptor < 0 or self._records > 2 * len(self._cooldown) + _SLACK:
                self._rewrite()
                return
            if os.write(self._descriptor, record) != _RECORD.size:
                os.ftruncate(self._descriptor, len(self._head) + self._records * _RECORD.size)
                return
        except OSError as error:
            event(_log, logging.INFO, "cooldown_not_written", why=one_line(error))
            return
        self._records += 1

    def __len__(self) -> int:
        return len(self._cooldown)

    def close(self) -> None:
        """Sync, and give the file back."""
        if self._descriptor < 0:
            return
        try:
            os.fdatasync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def _load(self, clock: Clock) -> None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return
        head, _, body = content.partition(b"\n")
        same = bool(clock.epoch()) and head + b"\n" == self._head
        whole = len(body) // _RECORD.size * _RECORD.size
        self._cooldown.restore(_RECORD.iter_unpack(body[:whole]), clock.steady(), same_clock=same)

    def _rewrite(self) -> None:
        body = b"".join(_RECORD.pack(address, at) for address, at in self._cooldown.items())
        write_whole(self._path, self._head + body)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._records = len(body) // _RECORD.size
