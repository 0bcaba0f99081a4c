"""Telling the inputs: a thread for each posts hops and feedback in order, and remembers what was acknowledged.

At least once: what an answer got lost for is told again. An input that names another generation than
before is new or restored, and is told everything from the start. Hops that an input refuses for its caps
on growth are told again later: until it has them the acknowledged place stays before them.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from hopmap.client import Client, Endpoint
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.feedback import decode_feedback_answer, decode_hops_answer, encode_feedback, encode_hops
from services.chassis.problem import Problem
from services.output.store.queries import InputPlace, feedback_after, hops_after, input_place
from services.output.store.state import State

_log = logging.getLogger(__name__)
_BATCH = 1_000
_IDLE_SECONDS = 20.0
_LINGER_SECONDS = 0.2  # what comes within it goes in one batch
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
_LONGEST_RETRY_AFTER = 600.0
_PUT_OFF_SECONDS = 1_200.0  # caps count by the hour
_CAP = "cap-"
_END_SECONDS = 1.0
_ANSWER_LIMIT = 1 << 20
_HEADERS = {"Content-Type": "application/json"}
_WRONG_CONTENT = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)


class Failed(Exception):
    """An input did not take a batch; worth another try after `retry_after` seconds, where it asked for that."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


@dataclass(slots=True)
class Telling:
    """How it goes with one input, for statistics."""

    posts: int = 0
    failures: int = 0
    skipped: int = 0
    error: str = ""


def feedback_path(hops_path: str) -> str:
    """The path beside `.../hops` where the same input takes feedback."""
    return hops_path.rpartition("/")[0] + "/feedback"


class Forwarder:
    """Posts the log to one input until it is stopped."""

    def __init__(
        self,
        url: str,
        client: Client,
        state_path: Path,
        *,
        write: Callable[[Callable[[State], Any]], Any],
        draw: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.telling = Telling()
        self._client = client
        self._paths = {"hops": client.endpoint.path, "feedback": feedback_path(client.endpoint.path)}
        self._state_path = state_path
        self._write = write
        self._draw = draw
        self._steady = steady
        self._offered: int | None = None  # how far hops were told beyond those that a cap put off
        self._again = 0.0
        self._batch = {"hops": _BATCH, "feedback": _BATCH}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tell {url}", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to tell."""
        self._news.set()

    def stop(self) -> None:
        """Begin to end; what is not acknowledged is told after the next start."""
        self._stopping.set()
        self._news.set()

    def join(self) -> None:
        """Wait for the end, but not for an input that hangs."""
        self._thread.join(_END_SECONDS)
        if not self._thread.is_alive():
            self._client.close()

    def _run(self) -> None:
        delay = _FIRST_DELAY
        while not self._stopping.is_set():
            self._news.clear()
            try:
                more = self._round()
            except (Failed, OSError, sqlite3.Error, Problem) as error:
                self._note_failure(error)
                asked = error.retry_after if isinstance(error, Failed) else None
                wait = min(asked, _LONGEST_RETRY_AFTER) if asked is not None else delay
                self._stopping.wait(wait * (1.0 + 0.5 * self._draw()))
                delay = min(_LONGEST_DELAY, 2 * delay)
                continue
            delay = _FIRST_DELAY
            self.telling.error = ""
            if not more:
                self._news.wait(_IDLE_SECONDS)
                self._stopping.wait(_LINGER_SECONDS)

    def _note_failure(self, error: Exception) -> None:
        self.telling.failures += 1
        level = logging.INFO if str(error) == self.telling.error else logging.WARNING
        self.telling.error = str(error)
        event(_log, level, "input_not_told", url=self.url, error=error)

    def _round(self) -> bool:
        """Tell one batch of hops and one of feedback; whether there may be more.

        With nothing to tell, no hops are posted: the answer's generation shows whether the input was replaced.
        """
        told = input_place(self._state_path, self.url)
        place = self._hops_place(told)
        hops = hops_after(self._state_path, place, self._batch["hops"])
        feedback = feedback_after(self._state_path, told.feedback, self._batch["feedback"])
        if hops or not feedback:
            then = told._replace(hops=hops[-1][0] if hops else place)
            body = encode_hops([hop for _, hop in hops])
            before, told = told, self._tell("hops", body, len(hops), told, then)
            if told.generation != before.generation:
                return True
        if feedback:
            then = told._replace(feedback=feedback[-1][0])
            self._tell("feedback", encode_feedback([item for _, item in feedback]), len(feedback), told, then)
        return bool(hops or feedback)

    def _tell(self, kind: str, body: dict[str, Any], count: int, told: InputPlace, then: InputPlace) -> InputPlace:
        """Post one batch and remember where that leads: to `then`, or to the start for a new generation.

        A refused batch is halved; a single item that is refused is skipped.
        """
        self.telling.posts += 1
        path = self._paths[kind]
        response = self._client.request("POST", path, decode.dump(body), _HEADERS, _ANSWER_LIMIT)
        if response.status == HTTPStatus.OK:
            self._batch[kind] = min(_BATCH, 2 * self._batch[kind])
            generation, capped = _answer(kind, response.body)
            return self._acknowledge(told, self._go_on(told, then, capped=capped)._replace(generation=generation))
        if response.status not in _WRONG_CONTENT:
            raise Failed(f"{path} answered {response.status}", response.retry_after)
        if count > 1:
            self._batch[kind] = count // 2
            raise Failed(f"{path} refused a batch of {count}", 0.0)
        if count == 1:
            self.telling.skipped += 1
            event(_log, logging.WARNING, "item_refused", url=self.url, kind=kind, place=getattr(then, kind))
            return self._acknowledge(told, self._go_on(told, then, capped=False))
        raise Failed(f"{path} answered {response.status} to an empty batch")

    def _hops_place(self, told: InputPlace) -> int:
        """Behind which hop to go on; back at those that a cap put off once it is time."""
        if self._offered is not None and self._steady() >= self._again:
            self._offered = None
        return told.hops if self._offered is None else self._offered

    def _go_on(self, told: InputPlace, then: InputPlace, *, capped: bool) -> InputPlace:
        """What is acknowledged by an answer: not the hops from the first on that a cap put off."""
        if self._offered is None and not capped:
            return then
        if self._offered is None:
            self._again = self._steady() + _PUT_OFF_SECONDS
        self._offered = max(then.hops, self._offered or 0)
        return then._replace(hops=told.hops)

    def _acknowledge(self, told: InputPlace, now: InputPlace) -> InputPlace:
        """Write down what the input has; nothing, when its generation changed."""
        if told.generation and now.generation != told.generation:
            event(_log, logging.WARNING, "input_replaced", url=self.url, generation=now.generation)
            now = InputPlace(now.generation, 0, 0)
            self._offered = None
        if now != told:
            self._write(lambda state: state.acknowledge(self.url, *now))
        return now


def _answer(kind: str, body: bytes) -> tuple[str, bool]:
    """(generation, whether a cap refused some) of an input's answer; Failed when it can't be read."""
    try:
        value = decode.parse(body)
        if kind == "feedback":
            return decode_feedback_answer(value).generation, False
        answer = decode_hops_answer(value)
    except WireError as error:
        raise Failed(f"the answer to {kind} can't be read: {error}") from error
    return answer.generation, any(reason.startswith(_CAP) and count for reason, count in answer.refused.items())


def endpoint(url: str) -> Endpoint:
    """Where an input takes hops; ValueError when the URL is none."""
    return Endpoint.parse(url, default_path="/hops")
