"""An order over any number of things that costs no memory: a keyed permutation, computed place by place."""

from hashlib import blake2b

_ODD = 0x9E3779B1


def permute(index: int, size: int, key: int) -> int:
    """Where the keyed permutation of range(size) puts `index`; `key` is a 64-bit number.

    A balanced Feistel network over the next power of four, walked until the value is in range (Black and Rogaway,
    Ciphers with Arbitrary Finite Domains, 2002). It spreads; it hides nothing from anybody.
    """
    if size < 2:
        return 0
    half = ((size - 1).bit_length() + 1) >> 1
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for shift in (0, 13, 26, 39):
            mixed = ((right + (key >> shift)) & 0xFFFFFFFF) * _ODD
            left, right = right, left ^ ((mixed ^ mixed >> 15) >> 7 & mask)
        index = left << half | right
        if index < size:
            return index


def key_of(*parts: object) -> int:
    """A 64-bit key out of words and numbers, the same on any machine."""
    return int.from_bytes(blake2b("/".join(str(part) for part in parts).encode(), digest_size=8).digest(), "big")
