"""An agent at work: the calling thread probes; intake, delivery, control and heartbeat have a thread each.

All of them are loops around a `step`, so that a simulation can step many agents by a clock of its own in one thread.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from agents.clock import Clock
from agents.probe.transport import Transport
from agents.trouble import SendTrouble
from hopmap import systemd
from hopmap.errors import UserError, one_line
from hopmap.logs import event

if TYPE_CHECKING:
    from agents.daemon import Agent

_log = logging.getLogger(__name__)
_LAST_DELIVERY = 4.0
_JOIN_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_SHORTEST_REST, _LONGEST_REST = 0.001, 0.02
_REST_PACKETS = 3  # the rate's bucket holds 4 at least


class Shift:
    """From the first step to an orderly end. With `once` it ends when nothing more is due and all is delivered."""

    def __init__(self, agent: "Agent", transport: Transport, clock: Clock, *, once: bool) -> None:
        self._agent = agent
        self._transport = transport
        self._clock = clock
        self._once = once
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._trouble = SendTrouble()

    @property
    def ending(self) -> bool:
        """Whether it is about to end."""
        return self._ending.is_set()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. UserError when probing is not possible any more; a part's own error as it came."""
        agent, mode = self._agent, self._transport.mode
        running = [
            threading.Thread(target=self._drive, args=(step,), name=name, daemon=True)
            for name, step in self._steps().items()
        ]
        for thread in running:
            thread.start()
        systemd.notify("READY=1")
        event(_log, logging.INFO, "started", agent=agent.name, transport=mode, spool=agent.spool.waiting)
        try:
            self._probe_until(stop)
        finally:
            systemd.notify("STOPPING=1")
            self._end(running)
        if self._failure is not None:
            raise self._failure

    def _steps(self) -> dict[str, Callable[[], float]]:
        """What has a thread of its own."""
        agent = self._agent
        steps = {"intake": agent.intake.step, "delivery": agent.delivery.step}
        if agent.control is not None:
            steps["control"] = agent.control.step
        if agent.heartbeat is not None:
            steps["heartbeat"] = agent.heartbeat.step
        if agent.updater is not None:
            steps["update"] = agent.updater.step
        return steps

    def _probe_until(self, stop: threading.Event) -> None:
        watchdog = systemd.watchdog_seconds()
        fed = self._clock.steady()
        while not (stop.is_set() or self._failure is not None or self._agent.restart or self._finished()):
            try:
                self._agent.probing.step()
            except OSError as error:
                raise UserError(
                    f"probing is not possible any more ({self._transport.mode}): {one_line(error)}"
                ) from error
            self._rest()
            now = self._clock.steady()
            self._trouble.look(self._agent.engine.trouble, now)
            if watchdog is not None and now - fed >= watchdog:
                systemd.notify("WATCHDOG=1")
                fed = now

    def _rest(self) -> None:
        """Let some packets come together, where the kernel keeps the time: to wake for each costs more than it does."""
        rate = self._agent.probing.rate
        seconds = min(_LONGEST_REST, _REST_PACKETS / max(1.0, rate)) if self._transport.stamped else 0.0
        if seconds >= _SHORTEST_REST:
            time.sleep(seconds)

    def _finished(self) -> bool:
        """With `once`: the input is dry, nothing is in hand and everything is delivered."""
        agent = self._agent
        if not (self._once and agent.intake.dry and agent.probing.idle):
            return False
        agent.delivery.flush = True
        return not agent.spool.waiting

    def _end(self, running: list[threading.Thread]) -> None:
        """Spool what is in hand, deliver it if that is quick, sync."""
        agent = self._agent
        agent.probing.finish()
        agent.delivery.flush = True
        deadline = self._clock.steady() + _LAST_DELIVERY
        while agent.spool.waiting and not agent.delivery.failing and self._clock.steady() < deadline:
            if self._ending.wait(0.05):  # a thread has failed: nobody delivers any more
                break
        self._ending.set()
        for thread in running:
            thread.join(_JOIN_SECONDS)
        counts = agent.counts
        done = {"probed": counts.probed, "answered": counts.answered, "traced": counts.traced}
        event(_log, logging.INFO, "stopped", **done, left_in_spool=agent.spool.waiting)
        try:
            if any(thread.is_alive() for thread in running):
                agent.spool.sync()  # a delivery hangs in its request; the process ends under it
            else:
                agent.spool.close()
                agent.cooldown.close()
                agent.data.close()
        except OSError as error:
            event(_log, logging.ERROR, "not_synced", why=one_line(error))
        self._transport.close()

    def _drive(self, step: Callable[[], float]) -> None:
        while not self._ending.is_set():
            try:
                wait = step()
            except OSError as error:
                event(_log, logging.ERROR, "trouble", why=one_line(error), retry_seconds=_RETRY_SECONDS)
                wait = _RETRY_SECONDS
            except BaseException as error:  # noqa: BLE001 - an agent must not go on with a part of it dead
                self._failure = error
                self._ending.set()
                return
            self._ending.wait(wait)
