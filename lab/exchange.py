"""The loop between packets and the world: reads what workers send, holds answers back until they are due.

A packet's time is taken when it is read, and computing takes no longer than a slice before all that has come is read:
the rest waits here, with its time. So a route that takes a while to find makes nobody's answer late.
"""

import os
import select
import time
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from lab.world.world import World

MOST_WAITING = 200_000
_BATCH = 256
_LARGEST = 4_096  # a device's MTU is 1,500
_IDLE_S = 0.5
_SLICE_S = 0.001

Send = Callable[[bytes], object]


class Exchange:
    """Ports of workers around one world. Files are read when the selector says so; time is monotonic, from 0."""

    def __init__(self, world: World, clock: Callable[[], float] = time.monotonic) -> None:
        """No ports yet."""
        self.world = world
        self._clock = clock
        self._began = clock()
        self._ports: dict[int, Send] = {}
        self._came: deque[tuple[float, int, bytes]] = deque()
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._order = 0
        self._until = 0.0
        self._files: dict[int, Callable[[], object]] = {}
        self.received = self.delivered = self.undelivered = self.overflowed = 0

    def now(self) -> float:
        """Seconds since the lab began."""
        return self._clock() - self._began

    def watch(self, file: Any, ready: Callable[[], object]) -> None:
        """Call `ready` whenever a file can be read."""
        self._files[_number(file)] = ready

    def unwatch(self, file: Any) -> None:
        """Watch no longer."""
        del self._files[_number(file)]

    def open_port(self, worker: int, send: Send) -> None:
        """Deliver what comes back for a worker by `send`, which raises OSError when it can't."""
        self._ports[worker] = send

    def close_port(self, worker: int) -> None:
        """What still comes back for the worker is dropped."""
        self._ports.pop(worker, None)

    def has_port(self, worker: int) -> bool:
        """Whether the worker is connected."""
        return worker in self._ports

    def add_device(self, worker: int, packets: int) -> None:
        """A worker whose packets come over a TUN device."""
        self.open_port(worker, lambda packet: os.write(packets, packet))

        def ready() -> None:
            try:
                for _ in range(_BATCH):
                    self.take(worker, os.read(packets, _LARGEST))
            except BlockingIOError:
                pass

        self.watch(packets, ready)

    def take(self, worker: int, packet: bytes) -> None:
        """One packet from a worker: seen to at once while the slice lasts, else by `work`."""
        self.received += 1
        clock = self._clock()
        if clock < self._until and not self._came:
            self._answer(clock - self._began, worker, packet)
        elif len(self._came) >= MOST_WAITING:
            self.overflowed += 1
        else:
            self._came.append((clock - self._began, worker, packet))

    def _answer(self, now: float, worker: int, packet: bytes) -> None:
        for when, answer in self.world.receive(worker, packet, now):
            if len(self._waiting) >= MOST_WAITING:
                self.overflowed += 1
                continue
            self._order += 1
            heappush(self._waiting, (when, self._order, worker, answer))

    def work(self) -> None:
        """See to the packets that have come, for no longer than a slice of time and one packet more."""
        came = self._came
        if not came:
            return
        until = self._clock() + _SLICE_S
        while came:
            self._answer(*came.popleft())
            if self._clock() > until:
                return

    def deliver_due(self) -> float:
        """Deliver what is due; seconds until the next is."""
        waiting = self._waiting
        while waiting:
            wait = waiting[0][0] - self.now()
            if wait > 0:
                return min(wait, _IDLE_S)
            _, _, worker, packet = heappop(waiting)
            send = self._ports.get(worker)
            try:
                if send is None:
                    raise BrokenPipeError
                send(packet)
                self.delivered += 1
            except OSError:
                self.undelivered += 1
        return _IDLE_S

    def turn(self, longest: float = _IDLE_S) -> None:
        """Deliver, then wait for packets until the next answer is due, at most `longest` seconds."""
        wait = min(self.deliver_due(), longest)
        # select(2) keeps to its time-out; that of epoll is whole milliseconds.
        ready = select.select(self._files, (), (), 0.0 if self._came else wait)[0]
        self._until = self._clock() + _SLICE_S
        for file in ready:
            self._files[file]()
        self.work()

    def close(self) -> None:
        """Stop watching; the files are their owners'."""
        self._files.clear()


def _number(file: Any) -> int:
    """The descriptor of a file, or of what has one."""
    number: int = file if isinstance(file, int) else file.fileno()
    return number
