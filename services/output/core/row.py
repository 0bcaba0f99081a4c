"""What one result comes to before it is stored."""

from typing import NamedTuple

from hopmap.wire.result import ResultId


class Row(NamedTuple):
    """One result ready to be stored: its canonical JSON, what it is looked up by, and what it teaches the inputs."""

    id: ResultId
    target: int
    started: str
    kind: str
    document: str
    hops: tuple[str, ...]  # worth probing, in order
    outcome: str | None  # what inputs are told came of the target, if anything
