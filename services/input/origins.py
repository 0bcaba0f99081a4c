"""Where targets come from, and all that an input knows of one address."""

from datetime import UTC, datetime

from hopmap import addresses
from hopmap.wire.target import Why
from hopmap.wire.told import Told
from services.input.core.frontier import Frontier
from services.input.core.known import HOP, KINDS


def why(frontier: Frontier, address: int, row: int) -> Why:
    """Why an address is a target; `row` is its place among the known, -1 for one that a prefix brings."""
    if row < 0:
        prefix = frontier.prefixes.widest(address)
        label = frontier.labels.texts[frontier.prefixes.labels[prefix[2]]] if prefix else ""
        provider, _, region = label.partition("\t")
        return Why("seed", provider or None, region or None)
    origin = frontier.known.origin(row)
    first_seen = _moment(origin.at)
    if origin.kind != HOP:
        return Why(KINDS[origin.kind], origin.first or None, origin.second or None, first_seen=first_seen)
    return Why(
        "hop",
        seen_by=origin.first or None,
        toward=addresses.text(origin.toward) if origin.toward else None,
        result=f"{origin.spool}:{origin.sequence}" if origin.spool else None,
        first_seen=first_seen,
    )


def told(frontier: Frontier, address: int) -> Told:
    """Whether an address is a target, why, whether it is left alone, when an outcome of a probe was told last."""
    is_target = frontier.is_known(address)
    judged = frontier.level(address)[1]
    return Told(
        address=addresses.text(address),
        target=is_target,
        why=why(frontier, address, frontier.known.place(address)) if is_target else None,
        refused=frontier.guard.refusal(address),
        last_outcome=_moment(judged) if judged else None,
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
