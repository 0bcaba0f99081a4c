"""Where bodies are read: here while one comes at a time, else in a process of its own beside the writer."""

import logging
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from typing import NamedTuple

from hopmap.logs import event
from services.output import parser
from services.output.core.ingest import Batch, read_batch

_log = logging.getLogger(__name__)
_SMALL_BYTES = 64 << 10
_RETRY_SECONDS = 10.0
# of glibc: else each batch's megabytes would be asked of the kernel, page by page, and given back
_MEMORY_KEPT = {"MALLOC_MMAP_THRESHOLD_": str(parser.ROOM), "MALLOC_TRIM_THRESHOLD_": str(parser.ROOM)}


class _Parser(NamedTuple):
    process: subprocess.Popen[bytes]
    link: socket.socket
    shared: mmap.mmap


class Parsing:
    """Reads bodies for all threads. The other process is begun once two large bodies come at the same time.

    What it can't do, because it died or does not answer, is done here, and it is begun anew a while later.
    """

    def __init__(self, *, beside: bool, answer_seconds: int = 20) -> None:
        self._here = threading.Lock()  # one at a time: only one can run, and the writer would wait behind all
        self._there = threading.Lock()
        self._parser: _Parser | None = None
        self._answer_seconds = answer_seconds
        self.retry_at = 0.0 if beside else float("inf")

    @property
    def pid(self) -> int | None:
        """The other process, while there is one."""
        return None if self._parser is None else self._parser.process.pid

    def read(self, body: bytes, most: int) -> Batch:
        """What `read_batch` makes of the body, errors included."""
        if _SMALL_BYTES <= len(body) <= parser.ROOM and (self._parser is not None or self._here.locked()):
            answer = self._asked(body, most)
            if answer:
                return parser.unpacked(answer)
        with self._here:
            return read_batch(body, most)

    def close(self) -> None:
        """End the other process, for good; it holds nothing."""
        self.retry_at = float("inf")
        self._end()

    def _asked(self, body: bytes, most: int) -> bytes:
        with self._there:
            if time.monotonic() < self.retry_at:
                return b""
            try:
                self._parser = found = self._parser or _begun(self._answer_seconds)
                return parser.ask(found.link, found.shared, body, most)
            except (OSError, EOFError) as error:
                self.retry_at = max(self.retry_at, time.monotonic() + _RETRY_SECONDS)
                self._end()
                event(_log, logging.WARNING, "parser_lost", error=repr(error))
                return b""

    def _end(self) -> None:
        found, self._parser = self._parser, None
        if found is not None:
            found.process.kill()  # which ends the wait for an answer too
            found.process.wait()
            found.link.close()


def _begun(answer_seconds: int) -> _Parser:
    memory = os.memfd_create("hopmap-parser")
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            os.truncate(memory, parser.ROOM)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # a timeout of Python's would cost calls
                ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", answer_seconds, 0))
            shared = mmap.mmap(memory, parser.ROOM)
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", parser.__name__, str(memory)],
                stdin=theirs.fileno(),
                pass_fds=(memory,),
                env=os.environ | _MEMORY_KEPT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                process_group=0,  # Ctrl-C is for the service, which ends it
            )
            return _Parser(process, ours, shared)
        except OSError:
            ours.close()
            raise
        finally:
            os.close(memory)
