"""What waitress leaves to others: its own refusals as JSON, and answers that need no thread of the pool.

A call that is answered from memory in microseconds costs several times that on its way through the pool: every
hand-over between threads is a wait for the interpreter's lock. Such a call may be answered where it was read.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher, WSGITask

from hopmap.wire import decode


class Request(Protocol):
    """A request as waitress has parsed it; names of headers in capitals, with `_` for `-`."""

    command: str
    version: str
    path: str
    query: str
    headers: dict[str, str]


class Answer(NamedTuple):
    """Headers but for length and date, and the body, of a 200."""

    headers: Sequence[tuple[str, str]]
    body: bytes


# To be answered at once, without any wait, or None where the application must answer; it runs in the listener's thread.
Direct = Callable[[Request], Answer | None]


class JsonErrorTask(ErrorTask):  # type: ignore[misc] # waitress has no types
    """What waitress refuses before an application sees it, in the form of every other error."""

    def execute(self) -> None:
        """Answer, and close the connection: what follows on it can't be told from the rest of the broken request."""
        found = self.request.error
        code = found.reason.lower().replace(" ", "_")
        body = decode.dump({"error": code, "detail": str(found.body)[:500] or found.reason})
        self.status = f"{found.code} {found.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class LastingTask(WSGITask):  # type: ignore[misc] # waitress has no types
    """An application's answer. One without a body (204, 304) leaves the connection open, as it has no length to be told
    (RFC 9112 6.3); waitress would close it, and each poll of an agent pay for a new one: kilobytes, with TLS."""

    def set_close_on_finish(self) -> None:
        """Close after this answer, where that is needed."""
        wanted = self.version != "1.1" or self.request.headers.get("CONNECTION", "").lower() == "close"
        if self.has_body or wanted:
            super().set_close_on_finish()


class Channel(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A connection."""

    error_task_class = JsonErrorTask
    task_class = LastingTask

    def answered(self, direct: Direct) -> bool:
        """Whether the first request that waits here could be answered at once; it is done with then."""
        request = self.requests[0]
        if request is not self.request or self.total_outbufs_len:
            return False  # it was not just read, in the listener's thread; or the client is slow to take answers
        if request.error or request.version != "1.1" or "CONNECTION" in request.headers:
            return False  # the connection may have to end with it
        answer = direct(request)
        if answer is None:
            return False
        task = Task(self, request)
        task.start()
        task.response_headers += answer.headers
        task.content_length = len(answer.body)
        with suppress(ClientDisconnected):
            self.write_soon(task.build_response_header() + answer.body)
        request.close()
        self.requests.clear()
        return True


class Pool(ThreadedTaskDispatcher):  # type: ignore[misc] # waitress has no types
    """waitress' threads, for all that is not answered at once."""

    def __init__(self, threads: int, direct: Direct | None) -> None:
        super().__init__()
        self._direct = direct
        self.set_thread_count(threads)

    def add_task(self, task: Any) -> None:
        """Have a connection's next request answered."""
        if self._direct is None or not task.answered(self._direct):
            super().add_task(task)
