"""The control document as the manager keeps it in a file: told when no input answers, so that a stop gets through."""

import gzip
import logging
import threading
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import bottle

from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.control import decode_control
from hopmap.wire.decode import WireError
from services.chassis.app import JSON

_log = logging.getLogger(__name__)
_LARGEST = 32 << 20


class _Read(NamedTuple):
    stamp: tuple[int, int, int]
    tag: str
    content: bytes
    packed: bytes


class ControlFile:
    """A file that is replaced whole when it changes; read anew then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: _Read | None = None

    def answer(self, tag: str, *, packed: bool) -> bottle.HTTPResponse | None:
        """The whole document, or 304 for who has it by its tag; None when there is none that can be told."""
        try:
            found = self._newest()
        except (OSError, WireError) as error:
            event(_log, logging.ERROR, "no_control_file", path=self._path, why=one_line(error))
            return None
        headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
        if tag == found.tag:
            return bottle.HTTPResponse(b"", HTTPStatus.NOT_MODIFIED, headers)
        headers["Content-Type"] = JSON
        if packed:
            headers["Content-Encoding"] = "gzip"
        return bottle.HTTPResponse(found.packed if packed else found.content, HTTPStatus.OK, headers)

    def _newest(self) -> _Read:
        with self._lock:
            state = self._path.stat()
            stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
            if self._read is None or self._read.stamp != stamp:
                if state.st_size > _LARGEST:
                    raise WireError("", f"the document is larger than {_LARGEST} bytes")
                content = self._path.read_bytes()
                control = decode_control(decode.parse(content))
                tag = f'"{control.version}-gateway-{crc32(content):08x}"'
                self._read = _Read(stamp, tag, content, gzip.compress(content, 6, mtime=0))
            return self._read
