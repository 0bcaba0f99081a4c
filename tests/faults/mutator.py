"""Broken inputs: documents changed in a few places, then perhaps their bytes; the same for the same number."""

import copy
import json
import random
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .fault_parts import INPUTS, SEED

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 2**31, 2**53, 2**63, -(2**63), 10**19, 0.0, -0.0, 1e-320, 1e308, 1.5, "",
    "0", "a", "a" * 300, "8.8.8.8", "8.8.8.08", "10.0.0.1", "255.255.255.255", "::1", "8.8.8.0/24",
    "0.0.0.0/0", "8.8.8.8/33",
    "2026-01-01T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "a:b:1", "a:b:c", "\ud800", "\x00", "\u202e", "😀",
    "'; DROP",
    "<script>", "../..", "%s%n", [], {}, [[]], [None], {"": None}, {"a": {"a": {"a": []}}}, list(range(300)),
    "alive", "dead", "raw 1e999", "raw -1e-999", "raw deep", "raw deeper", "raw deepest",
)  # fmt: skip
RAW = {
    b'"raw 1e999"': b"1e999",
    b'"raw -1e-999"': b"-1e-999",
    b'"raw deep"': b"[" * 100 + b"]" * 100,
    b'"raw deeper"': b'{"a":' * 900 + b"1" + b"}" * 900,
    b'"raw deepest"': b"[" * 3_000 + b"]" * 3_000,
}
"""What json.dumps would not write stands in a document as one of these words."""
T = TypeVar("T")
STRUCTURES = min(1_000, INPUTS // 5 + 1)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=20), inner, max_size=8),
    max_leaves=20,
)


@cache
def structures() -> tuple[Any, ...]:
    """JSON values of every shape, drawn by hypothesis once: to draw one takes longer than to send it."""
    found: list[Any] = []

    @seed(SEED)
    @settings(
        max_examples=STRUCTURES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_JSON)
    def keep(value: Any) -> None:
        found.append(value)

    keep()
    return tuple(found)


class Mutator:
    """Changes documents, bytes and words, from a generator that its number begins."""

    def __init__(self, number: int) -> None:
        self._rng = random.Random(SEED << 40 | number)

    def document(self, base: Any) -> bytes:
        """A document as bytes, changed in up to six places; half of them compact, as hopmap's own parts write."""
        changed = copy.deepcopy(base)
        for _ in range(self._rng.choice((0, 1, 1, 1, 2, 3, 6))):
            changed = self._changed(changed)
        content = json.dumps(changed, separators=self._rng.choice(((",", ":"), None))).encode()
        if b'"raw ' in content:
            for word, meant in RAW.items():
                content = content.replace(word, meant)
        return self.bytes(content)

    def bytes(self, content: bytes) -> bytes:
        """Bytes with some replaced, cut, doubled or put in; most often none."""
        rng = self._rng
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(16)
        if kind == 0:
            return content[:at]
        if kind == 1:
            return content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at:]
        if kind == 2:
            return content[:at] + content[at // 2 :]
        if kind == 3:
            wrong = rng.choice((b"", b"{", b"NaN", b"1e999"))
            return content[:at] + content[at:].replace(rng.choice((b'"', b":", b",", b"[", b"1")), wrong, 1)
        if kind == 4:
            return rng.randbytes(rng.randrange(200))
        if kind == 5:
            return content[:at] + rng.choice((b"0", b"9", b"-", b".", b" ", b"e", b"\n", b"}")) + content[at + 1 :]
        return content

    def text(self, base: str) -> str:
        """A query's value."""
        value = self.nasty() if self.one_in(3) else base
        raw = self.bytes(str(value).encode("utf-8", "surrogatepass"))
        return quote(raw, safe="%&=/+") if self.one_in(10) else quote(raw)

    def nasty(self) -> Any:
        """A value that stands where another should; one in four of any shape."""
        return self._rng.choice(structures() if self.one_in(4) else NASTY)

    def choose(self, among: Sequence[T]) -> T:
        return self._rng.choice(among)

    def below(self, number: int) -> int:
        return self._rng.randrange(number)

    def one_in(self, number: int) -> bool:
        return not self._rng.randrange(number)

    def _changed(self, value: Any) -> Any:
        """A value with one place in it made wrong."""
        rng = self._rng
        if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
            return copy.deepcopy(self.nasty())
        if isinstance(value, list):
            return self._changed_list(value)
        key = rng.choice(list(value))
        kind = rng.randrange(8)
        if kind == 0:
            del value[key]
        elif kind == 1:
            value[str(self.nasty())] = copy.deepcopy(self.nasty())
        else:
            value[key] = self._changed(value[key])
        return value

    def _changed_list(self, value: list[Any]) -> list[Any]:
        rng = self._rng
        place, kind = rng.randrange(len(value)), rng.randrange(8)
        if kind == 0:
            del value[place]
        elif kind == 1:
            value.insert(place, copy.deepcopy(self.nasty()))
        elif kind == 2:
            value.append(copy.deepcopy(value[place]))
        else:
            value[place] = self._changed(value[place])
        return value
