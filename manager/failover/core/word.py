"""What managers of one name say to each other, proven by an HMAC (RFC 2104, SHA-256) under a key they share. Pure.

A question carries the asker's word, its answer that of who was asked; the answer is bound to the question's nonce.
"""

import hashlib
import hmac
import json
from typing import Any, NamedTuple

ASK, ANSWER = "ask", "answer"
LONGEST = 2048  # of a question, which goes in a header
_KINDS: dict[str, tuple[type, ...]] = {
    "id": (str,), "rank": (int,), "epoch": (int,), "leads": (bool,), "ready": (bool,), "at": (float, int),
    "asked": (float, int, type(None)), "version": (str,),
}  # fmt: skip


class Word(NamedTuple):
    """Who it is; its rank; the epoch that it leads in, or the highest that it knows of; whether it leads, and can work.

    `at` is its clock (seconds since 1970), `asked` the seconds since dy.fi was asked last, as far as it knows.
    """

    id: str
    rank: int
    epoch: int
    leads: bool
    ready: bool
    at: float
    asked: float | None = None
    version: str = ""


class NotGenuine(Exception):
    """It was not said by a manager that shares the key, or not as an answer to this question."""


def said(key: bytes, kind: str, nonce: str, word: Word) -> bytes:
    """A word as bytes."""
    body = word._asdict()
    return json.dumps({"nonce": nonce, "word": body, "mac": _mac(key, kind, nonce, body)}).encode()


def heard(key: bytes, kind: str, content: bytes, nonce: str | None = None) -> tuple[str, Word]:
    """The nonce and word of such bytes; with `nonce` it must be that one. NotGenuine."""
    try:
        whole = json.loads(content)
        told, body, mac = whole["nonce"], whole["word"], whole["mac"]
        genuine = hmac.compare_digest(mac.encode(), _mac(key, kind, told, body).encode())
        fits = set(body) == set(_KINDS) and all(type(body[name]) in kinds for name, kinds in _KINDS.items())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotGenuine("it is no word of a manager") from None
    if not genuine or not fits or (nonce is not None and told != nonce):
        raise NotGenuine("it was not said by a manager with our server key")
    return told, Word(**body)


def _mac(key: bytes, kind: str, nonce: str, body: dict[str, Any]) -> str:
    told = json.dumps([kind, nonce, body], sort_keys=True)
    return hmac.new(key, f"hopmap peer 1 {told}".encode(), hashlib.sha256).hexdigest()
