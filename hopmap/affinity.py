"""Which of several equal services a node turns to first: always the same one, else the next of its own order. Pure.

Rendezvous hashing (Thaler and Ravishankar 1998): each node has an order of its own over the services, and one that is
added or goes away moves only its share of the nodes.
"""

from collections.abc import Sequence
from hashlib import blake2b


def preference(node: str, names: Sequence[str]) -> list[int]:
    """The places of `names` in the node's order."""
    weights = [blake2b(f"{node}\n{name}".encode(), digest_size=8).digest() for name in names]
    return sorted(range(len(names)), key=weights.__getitem__)
