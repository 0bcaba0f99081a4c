"""Bearer tokens with scopes, read from a file that the operator keeps.

A line is `SCOPE[,SCOPE...] TOKEN`; `#` begins a comment. Two tokens of a scope may be live at once,
so that one can be replaced without a gap.
"""

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from hopmap.errors import UserError
from services.chassis.problem import Problem

SCOPES = ("agent", "service", "admin")
OPEN = "open"  # no token needed
ANY = "any"  # a token of any scope
_SHORTEST = 16
_MOST = 64


@dataclass(frozen=True, slots=True)
class Tokens:
    """Digests of the tokens of each scope. Without any, every call is allowed (loopback only: see listen)."""

    digests: tuple[tuple[bytes, frozenset[str]], ...] = ()

    def scopes(self, authorization: str) -> frozenset[str]:
        """The scopes of an Authorization header, in constant time for every token; none when it is unknown."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            return frozenset()
        digest = _digest(token.strip())
        found: frozenset[str] = frozenset()
        for known, scopes in self.digests:
            if hmac.compare_digest(known, digest):
                found = scopes
        return found

    def check(self, authorization: str, scope: str) -> None:
        """Let the call pass, or raise 401 (no or unknown token) or 403 (a token of another scope)."""
        if scope == OPEN or not self.digests:
            return
        scopes = self.scopes(authorization)
        if not scopes:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "this call needs a token: send Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )
        if scope != ANY and scope not in scopes:
            raise Problem(HTTPStatus.FORBIDDEN, "forbidden", f"this call needs a token of scope {scope}")


def read_tokens(path: Path) -> Tokens:
    """The tokens of a file; UserError names the line that is wrong, never its token."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "not UTF-8 text")
        raise UserError(f"cannot read the token file {path}: {why}") from error
    digests = [
        _entry(words, f"{path}:{place}")
        for place, line in enumerate(lines, start=1)
        if (words := line.split("#", 1)[0].split())
    ]
    if not digests:
        raise UserError(f"{path} holds no token: add a line such as 'agent TOKEN'")
    if len(digests) > _MOST:
        raise UserError(f"{path} holds {len(digests)} tokens, {_MOST} are allowed")
    return Tokens(tuple(digests))


def _entry(words: list[str], where: str) -> tuple[bytes, frozenset[str]]:
    if len(words) != 2:
        raise UserError(f"{where}: must be SCOPE TOKEN")
    scopes = frozenset(words[0].split(","))
    if not scopes <= set(SCOPES):
        raise UserError(f"{where}: unknown scope; known are {', '.join(SCOPES)}")
    if len(words[1]) < _SHORTEST:
        raise UserError(f"{where}: the token is shorter than {_SHORTEST} characters")
    return _digest(words[1]), scopes


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
