"""A process that reads batches for the service, so that reading does not keep the writer from Python's lock (the GIL).

`python -m services.output.parser FD` is started with a socket as its standard input and the descriptor of memory it
shares with the service (`services.output.parsing`). A question is the length of the body at the beginning of
that memory, and the most results it may hold; the answer is the length of `packed`, which stands there instead,
or 0 when it does not fit. It keeps nothing between two questions and ends with the other side of the socket.
"""

import gc
import marshal
import mmap
import signal
import socket
import struct
import sys

from hopmap.wire.decode import WireError
from hopmap.wire.result import ResultId
from services.output.core.ingest import Batch, Rejected, TooMany, read_batch
from services.output.core.row import Row

ROOM = 16 << 20  # bytes shared; what is never touched takes no memory
_QUESTION = struct.Struct("=II")
_ANSWER = struct.Struct("=I")


def ask(link: socket.socket, shared: mmap.mmap, body: bytes, most: int) -> bytes:
    """The packed answer to a body, empty when there was no room for it; OSError or EOFError when nobody answers."""
    shared[: len(body)] = body
    link.sendall(_QUESTION.pack(len(body), most))
    (length,) = _ANSWER.unpack(_received(link, _ANSWER.size))
    return shared[:length]


def packed(body: bytes, most: int) -> bytes:
    """What `read_batch` makes of a body, its errors too, as bytes that are read back much faster than pickles."""
    try:
        batch = read_batch(body, most)
    except TooMany as error:
        return marshal.dumps(("too_many", str(error)))
    except WireError as error:
        return marshal.dumps(("no_json", error.where, error.problem))
    rows = [(*row.id, *row[1:]) for row in batch.rows]
    return marshal.dumps(("batch", rows, [tuple(refused) for refused in batch.rejected]))


def unpacked(answer: bytes) -> Batch:
    """The batch out of `packed`; WireError and TooMany as `read_batch` raises them."""
    what, *told = marshal.loads(answer)  # noqa: S302 - of our own process
    if what == "too_many":
        raise TooMany(*told)
    if what == "no_json":
        raise WireError(*told)
    rows, rejected = told
    return Batch(
        [Row(ResultId(agent, spool, sequence), *rest) for agent, spool, sequence, *rest in rows],
        [Rejected(*refused) for refused in rejected],
    )


def serve(link: socket.socket, shared: mmap.mmap) -> None:
    """Answer until the other side closes."""
    while True:
        length, most = _QUESTION.unpack(_received(link, _QUESTION.size))
        answer = packed(shared[:length], most)
        fits = len(answer) <= len(shared)
        if fits:
            shared[: len(answer)] = answer
        link.sendall(_ANSWER.pack(len(answer) if fits else 0))


def _received(link: socket.socket, length: int) -> bytes:
    content = link.recv(length, socket.MSG_WAITALL)
    if len(content) < length:
        raise EOFError("the other process is gone")
    return content


def main() -> None:
    """Serve the socket that is the standard input, over the memory whose descriptor is the argument."""
    for number in (signal.SIGTERM, signal.SIGINT):  # they are meant for the service, which still answers requests
        signal.signal(number, signal.SIG_IGN)
    gc.set_threshold(50_000, 20, 20)
    with socket.socket(fileno=0) as link, mmap.mmap(int(sys.argv[1]), ROOM) as shared:
        try:
            serve(link, shared)
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main()
