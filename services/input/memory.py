"""How the C library keeps memory: what was large and is freed goes back to the system."""

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD = -3
_LARGE = 256 << 10


def give_back_large() -> None:
    """Keep glibc from raising the size that it maps by itself (mallopt(3)): grown columns would leave holes else."""
    with suppress(AttributeError, OSError):  # another C library has other ways
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
