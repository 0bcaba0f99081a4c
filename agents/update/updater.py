"""Watches which program is wanted; fetches it through the gateway, has it test itself, and puts it on trial."""

import hashlib
import http
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from agents.core import updating
from agents.core.orders import Orders
from agents.core.updating import DUE, Program, Record
from agents.sources import refusal
from agents.update.launch import Running, end_of_trial
from hopmap.client import Client, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.logs import event
from hopmap.wire.control import MAX_AGENT_BYTES

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_PROOF_LOOK_SECONDS = 0.5
_TEST_SECONDS = 60.0
TRIAL, WAITING = "trial", "waiting"


class Updater:
    """One thread's work. `may_fetch` tells whether the line is free for it: no quiet hours, data budget left."""

    def __init__(
        self,
        running: Running,
        client: Client,
        orders: Orders,
        *,
        instance: str,
        spread: float,
        steady: Callable[[], float],
        may_fetch: Callable[[], bool],
    ) -> None:
        self._running = running
        self._client = client
        self._orders = orders
        self._instance = instance
        self._spread = spread
        self._steady = steady
        self._may_fetch = may_fetch
        self._record: Record = running.programs.record()
        self._trial = running.on_trial
        self._wanted: Program | None = None
        self._at = 0.0
        self._failures = 0
        self._why = ""
        self.failures = 0
        self.restart = False
        """Whether the agent is to end now, so that the other program begins."""

    def step(self) -> float:
        """Look once; how many seconds until the next look."""
        if self._trial:
            return self._prove()
        if (forgiven := updating.forgiven(self._record, *self._orders.wanted)) != self._record:
            self._keep(forgiven)
        if self.restart or self.state != DUE:
            return _LOOK_SECONDS
        wanted = self._newly_wanted()
        if self._steady() >= self._at and self._may_fetch():
            self._update(wanted)
        return min(_LOOK_SECONDS, max(0.1, self._at - self._steady()))

    @property
    def state(self) -> str:
        """How it stands, in a word: trial, or what `updating.judged` says."""
        if self._trial:
            return TRIAL
        return updating.judged(self._record, self._running.program, *self._orders.wanted)

    def told(self) -> dict[str, Any]:
        """For /health: versions, the state, and why the last attempt failed."""
        record, state = self._record, self.state
        why = record.failed.why if state == updating.FAILED and record.failed is not None else self._why
        return {
            "state": WAITING if state == DUE and self._steady() < self._at else state,
            "version": self._running.program.version,
            "wanted": self._orders.wanted[0],
            "failures": self.failures,
            "why": why,
        }

    def _newly_wanted(self) -> Program:
        version, sha256 = self._orders.wanted
        assert version is not None  # it would not be due
        assert sha256 is not None
        wanted = Program(version, sha256)
        if wanted != self._wanted:
            self._wanted, self._failures, self._why = wanted, 0, ""
            wait = updating.delay(self._instance, sha256, self._spread)
            self._at = self._steady() + wait
            event(_log, logging.INFO, "update_wanted", version=version, in_seconds=round(wait))
        return wanted

    def _prove(self) -> float:
        if not self._orders.in_touch(self._steady()):
            return _PROOF_LOOK_SECONDS
        self._keep(updating.proven(self._record))
        end_of_trial()
        self._trial = False
        self._running.programs.tidy(self._record)
        event(_log, logging.INFO, "update_proven", version=self._running.program.version)
        return _LOOK_SECONDS

    def _update(self, wanted: Program) -> None:
        try:
            content = self._fetched(wanted)
            self._running.programs.put(wanted, content)
            wrong = self._test(wanted)
        except (Unreachable, OSError, UserError, _NotFetched) as error:
            self._failures += 1
            self._at = self._steady() + updating.patience(self._failures)
            self._note(wanted, one_line(error))
            return
        if wrong is not None:
            self._keep(updating.given_up(self._record, wanted, wrong))
            self._note(wanted, wrong)
        else:
            self._keep(updating.put_on_trial(self._record, wanted))
            self.restart = True
            event(_log, logging.WARNING, "update", version=wanted.version, before=self._running.program.version)
        self._running.programs.tidy(self._record)

    def _note(self, wanted: Program, why: str) -> None:
        self.failures += 1
        self._why = why[: updating.LONGEST_WHY]
        event(_log, logging.WARNING, "no_update", version=wanted.version, why=why)

    def _keep(self, record: Record) -> None:
        self._running.programs.keep(record)
        self._record = record

    def _fetched(self, wanted: Program) -> bytes:
        where = self._client.endpoint
        answer = self._client.request("GET", f"{where.path}/{wanted.sha256}", limit=MAX_AGENT_BYTES)
        self._client.close()  # the next is months away
        if answer.status != http.HTTPStatus.OK:
            raise _NotFetched(refusal(where.url, answer))
        if hashlib.sha256(answer.body).hexdigest() != wanted.sha256:
            raise _NotFetched(f"{where.url} gave {len(answer.body)} bytes that are not the wanted ones (SHA-256)")
        return answer.body

    def _test(self, wanted: Program) -> str | None:
        """What is wrong with a program here, as it says itself; None when it is the version and takes our settings."""
        start = [sys.executable, "-I", str(self._running.programs.path(wanted))]
        said, wrong = _ran([*start, "--version"])
        if wrong is None and said != f"hopmap {wanted.version}":
            wrong = f"it calls itself {said!r}, not {wanted.version}"
        return wrong or _ran([*start, "agent", *self._running.argv, "--check"])[1]


class _NotFetched(Exception):
    """An answer, but not the program."""


def _ran(command: list[str]) -> tuple[str, str | None]:
    """What a command said, and what was wrong with it."""
    environ = {name: value for name, value in os.environ.items() if name not in {"NOTIFY_SOCKET", "WATCHDOG_USEC"}}
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", timeout=_TEST_SECONDS, env=environ
        )
    except subprocess.TimeoutExpired:
        return "", f"its own test took longer than {_TEST_SECONDS:.0f} s"
    said = " ".join((done.stderr or done.stdout).split())
    return done.stdout.strip(), f"its own test failed: {said or done.returncode}" if done.returncode else None
