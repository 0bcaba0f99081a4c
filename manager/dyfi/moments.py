"""This machine's moments."""

import time
from pathlib import Path

from manager.dyfi.core.moment import Moment

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def now() -> Moment:
    """Now, by the clock and by the count since this boot, which goes on while the machine sleeps."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Moment(time.time(), boot, time.clock_gettime(time.CLOCK_BOOTTIME))
