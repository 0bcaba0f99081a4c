"""What is wrong now: nodes as they were polled last, and beside them the name and the other managers of it."""

from manager.fleet.core.condition import BAD
from manager.fleet.fleet import Fleet
from manager.fleet.history_store import BESIDE, Alarm
from manager.fleet.polling import Known


def failing(fleet: Fleet) -> list[Alarm]:
    """The newest first."""
    known, nodes = fleet.polling.known(), fleet.registry.all()
    found = []
    for node in nodes:
        condition = known.get(node.id, Known()).condition
        if node.watched and condition.state in BAD:
            found.append(Alarm(node.id, node.name, node.kind, condition.state, condition.since, condition.why))
    found += [one for one in fleet.store.alarms(ended=False) if one.kind in BESIDE]
    return sorted(found, key=lambda one: -one.since)
