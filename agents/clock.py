"""The clocks of this machine: one that never steps, the wall clock, and whether the latter is kept in time."""

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hopmap.wire.result import Clock as ClockState

_STA_UNSYNC = 0x0040
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What the shells ask of time; a simulation gives its own."""

    def steady(self) -> float:
        """Seconds that never step and go on while the machine sleeps."""

    def wall(self) -> float:
        """Seconds since 1970, as far as this machine knows."""

    def epoch(self) -> str:
        """Names the time since which `steady` counts: two equal names, one clock."""

    def state(self) -> ClockState:
        """What is known of the wall clock."""


def steady_ns() -> int:
    """CLOCK_BOOTTIME: a lease goes on running out while a laptop sleeps."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def local_time(wall: float) -> datetime:
    """Wall seconds as this machine's local time."""
    return datetime.fromtimestamp(wall, UTC).astimezone()


class SystemClock:
    """The machine's own clocks."""

    def steady(self) -> float:
        """See Clock."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """See Clock."""
        return time.time()

    def epoch(self) -> str:
        """The boot id; empty, which equals nothing, where there is none."""
        try:
            return _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def state(self) -> ClockState:
        """Whether the kernel holds its clock for synchronised (adjtimex(2)); None where it can't be asked."""
        return ClockState(synced=_synced())


def _synced() -> bool | None:
    """STA_UNSYNC of adjtimex(2), asked without changing anything (modes 0)."""
    buffer = ctypes.create_string_buffer(512)  # struct timex is 208 bytes at most
    try:
        result = _ADJTIMEX(buffer) if _ADJTIMEX else -1
    except OSError:
        return None
    if result < 0:
        return None
    # modes (int, padded to long), offset, freq, maxerror, esterror (long), status (int)
    at = ctypes.sizeof(ctypes.c_long) * 5
    status = ctypes.c_int.from_buffer(buffer, at).value
    return not status & _STA_UNSYNC


_ADJTIMEX = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
