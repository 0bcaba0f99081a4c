"""What may honestly be said of an address: sentences out of what the inputs know, without a word of who measured."""

from collections.abc import Iterable

from hopmap.wire.control import OptOut
from hopmap.wire.told import Told

_UNKNOWN = (
    "None of our services has it as a target now. It may have been one before, or the packets came from somebody else."
)
_SILENT = "The services that know do not answer right now: try again in a minute."


def sentences(found: Iterable[Told], listed: OptOut | None) -> list[str]:
    """In the order in which they matter. `listed` is the entry of the list of opt-outs that holds the address."""
    told = list(found)
    said = []
    if listed is not None:
        said.append(
            f"It is left alone{f' since {listed.date}' if listed.date else ''}: {listed.prefix} is on the list."
        )
    elif any(one.refused == "opt-out" for one in told):
        said.append("It is left alone: whoever runs this has it on a list.")
    targets = [one for one in told if one.target]
    if targets:
        said += _origin(targets)
    elif told:
        said.append(_UNKNOWN)
    elif not said:
        said.append(_SILENT)
    return said


def _origin(targets: list[Told]) -> list[str]:
    said = list(dict.fromkeys(_reason(one) for one in targets))
    since = [one.why.first_seen for one in targets if one.why and one.why.first_seen]
    if since:
        said.append(f"It is known here since {_minute(min(since))}.")
    probed = [one.last_outcome for one in targets if one.last_outcome]
    said.append(
        f"The last time that we know what came of a probe: {_minute(max(probed))}."
        if probed
        else "It is not known here when it was probed last: it may not have been yet."
    )
    return said


def _reason(told: Told) -> str:
    why = told.why
    if why is not None and why.kind == "hop":
        return "It is a target because it answered as a router on the way to other addresses."
    if why is not None and why.kind == "import":
        return "It is a target because it stood in a list that was taken over."
    if why is not None and why.provider:
        region = f", region {why.region}" if why.region else ""
        return f"It is a target because it lies in a network that {why.provider} publishes as its own{region}."
    return "It is a target because it lies in a network that whoever runs this chose."


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"
