"""Which nodes of a fleet somebody wants to see: words, state, type, and a page of those."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from manager.fleet.core.condition import BAD
from manager.fleet.core.node import KINDS
from services.chassis.problem import bad_request

PAGE = 100
STATES = ("silent", "failing", "lagging", "asking", "ok", "off")
TROUBLE, PAUSED = "trouble", "paused"
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for; empty means all. `page` counts from 1."""

    words: str = ""
    state: str = ""
    kind: str = ""
    page: int = 1

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not (self.words or self.state or self.kind)

    def at(self, page: int) -> str:
        """The address of another page of the same."""
        named = {"q": self.words, "state": self.state, "type": self.kind, "page": page if page > 1 else ""}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/fleet?{query}" if query else "/fleet"


@dataclass(frozen=True, slots=True)
class Listed:
    """The nodes of a page, how many were found in all, on how many pages."""

    rows: Sequence[Mapping[str, Any]]
    found: int
    wanted: Wanted
    pages: int


def read(query: Mapping[str, str]) -> Wanted:
    """What is asked for by q, state, type and page; 400 for what can't be."""
    words, state, kind = (query.get(name, "").strip() for name in ("q", "state", "type"))
    if len(words) > _LONGEST:
        raise bad_request(f"q: at most {_LONGEST} characters can be searched for.")
    if state and state not in (*STATES, TROUBLE, PAUSED):
        raise bad_request(f"state: it is one of {', '.join((*STATES, TROUBLE, PAUSED))}.")
    if kind and kind not in KINDS:
        raise bad_request(f"type: it is one of {', '.join(KINDS)}.")
    page = query.get("page", "").strip() or "1"
    if not (page.isascii() and page.isdigit() and len(page) <= 4 and int(page)):
        raise bad_request("page: it is a whole number from 1 on.")
    return Wanted(words, state, kind, int(page))


def chosen(nodes: Sequence[Mapping[str, Any]], wanted: Wanted) -> Listed:
    """The nodes of a page; a page past the last is the last."""
    words = wanted.words.casefold().split()
    found = [one for one in nodes if _is_in(one, wanted) and all(word in _text(one) for word in words)]
    pages = max(1, -(-len(found) // PAGE))
    page = min(wanted.page, pages)
    return Listed(found[(page - 1) * PAGE : page * PAGE], len(found), replace(wanted, page=page), pages)


def _is_in(node: Mapping[str, Any], wanted: Wanted) -> bool:
    if wanted.kind and node["kind"] != wanted.kind:
        return False
    if wanted.state == TROUBLE:
        return node["state"] in BAD
    if wanted.state == PAUSED:
        return bool(node["paused"])
    return not wanted.state or node["state"] == wanted.state


def _text(node: Mapping[str, Any]) -> str:
    return " ".join((node["name"], node["url"], node["why"], node["version"], *node["tags"])).casefold()
