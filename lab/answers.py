"""The truth read back, shaped for asking: is this link real, and if not, how did it come about?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

from hopmap.errors import UserError
from lab import truthfile
from lab.world.truth import TARGET

#: What identifies an interface: its address, and for private ones (borne by many) the worker that saw it.
Node = tuple[str, int]
Link = tuple[Node, Node]
EVERYWHERE = -1
_ANSWERING = {"alive", "router"}


class Face(NamedTuple):
    """An interface of one path: whether it answers, its TTLs, and whether it forwards what has run out."""

    visible: bool
    least: int
    greatest: int
    zero_ttl: bool


@dataclass(slots=True)
class Version:
    """What one path was like for a time."""

    faces: dict[Node, Face] = field(default_factory=dict)
    links: dict[Link, str] = field(default_factory=dict)
    after: dict[Node, set[Node]] = field(default_factory=dict)

    def visible(self) -> set[Link]:
        """The links whose two ends answer."""
        return {link for link in self.links if self.faces[link[0]].visible and self.faces[link[1]].visible}


def node(address: str, worker: int) -> Node:
    """The interface that bears an address."""
    return address, worker if IPv4Address(address).is_private else EVERYWHERE


class Answers:
    """A truth file in memory."""

    def __init__(self, path: Path) -> None:
        """Read it. UserError when it is no truth."""
        self.sources: dict[str, int] = {}
        self.paths: dict[tuple[int, str], list[Version]] = {}
        self.links: set[Link] = set()
        self.nodes: set[Node] = set()
        self._interfaces: dict[int, dict[str, Any]] = {}
        try:
            self._read(path)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is not what the lab writes with --truth: {error}") from error
        if not self.sources:
            raise UserError(f"{path} is not what the lab writes with --truth: it names no worker")

    def _read(self, path: Path) -> None:
        for line in truthfile.lines(path):
            row = json.loads(line)
            if row["kind"] == "worker":
                self.sources[row["source"]] = row["worker"]
            elif row["kind"] == "interface":
                self._interfaces[row["number"]] = row
            elif row["kind"] == "path":
                self._add(row)

    def _add(self, row: dict[str, Any]) -> None:
        worker, target, version = row["worker"], row["target"], Version()
        end = node(target, worker)
        names = {TARGET: end}
        low, high = row["distance"]
        version.faces[end] = Face(row["status"] in _ANSWERING, low, high, zero_ttl=False)
        for number, least, greatest in row["interfaces"]:
            known = self._interfaces[number]
            names[number] = node(known["address"], worker)
            face = Face(known["visible"], least, greatest, "zero-ttl" in known["traits"])
            version.faces.setdefault(names[number], face)
        for one, other, how in row["links"]:
            version.links[names[one], names[other]] = how
            version.after.setdefault(names[one], set()).add(names[other])
        self.paths.setdefault((worker, target), []).append(version)
        self.links.update(version.links)
        self.nodes.update(version.faces)

    def shared(self, target: str, seen: Sequence[str]) -> dict[int, int]:
        """For each worker that probed the target, how many of the addresses lie on its ways there."""
        probers = [worker for worker in self.sources.values() if (worker, target) in self.paths]
        return {worker: self._shared(worker, target, seen) for worker in probers}

    def _shared(self, worker: int, target: str, seen: Sequence[str]) -> int:
        versions = self.paths[worker, target]
        return sum(any(node(address, worker) in version.faces for version in versions) for address in seen)

    def cause(self, key: tuple[int, str], link: Link, ttl: int, *, late: bool) -> str:
        """Why a trace shows a link that does not exist. `ttl` is that of its first end."""
        versions = self.paths[key]
        one, other = link
        if one not in self.nodes or other not in self.nodes:
            return "invented address"
        if any(_through_zero_ttl(version, one, other) for version in versions):
            return "zero-TTL forwarder"
        if late:
            return "late reply"
        homes = [version for version in versions if one in version.faces and other in version.faces]
        if not homes:
            apart = all(any(end in version.faces for version in versions) for end in link)
            return "route change" if apart else "another trace's answer"
        if not any(_fits(version.faces[one], ttl) and _fits(version.faces[other], ttl + 1) for version in homes):
            return "answer of another TTL"
        if any(
            "packet" in (how for ends, how in version.links.items() if one in ends or other in ends)
            for version in homes
        ):
            return "per-packet balancer"
        return "flow not kept"


def _fits(face: Face, ttl: int) -> bool:
    return face.least <= ttl <= face.greatest


def _through_zero_ttl(version: Version, one: Node, other: Node) -> bool:
    """Whether forwarders that let TTL 0 pass, and nothing else, lie between two interfaces."""
    fronts, met = list(_forwarders(version, one)), set[Node]()
    while fronts:
        here = fronts.pop()
        if here in met:
            continue
        met.add(here)
        if other in version.after.get(here, ()):
            return True
        fronts += _forwarders(version, here)
    return False


def _forwarders(version: Version, here: Node) -> Iterator[Node]:
    return (after for after in version.after.get(here, ()) if version.faces[after].zero_ttl)
