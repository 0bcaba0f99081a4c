"""Opens the fleet that the manager's settings describe."""

from collections.abc import Callable, Mapping
from pathlib import Path

from manager.auth.door import Door
from manager.config import ManagerSettings
from manager.fleet.alarms import Send
from manager.fleet.control import Tenure
from manager.fleet.core.destination import read_networks
from manager.fleet.fleet import Fleet, Given
from manager.fleet.line import Line
from manager.fleet.registry import fixed_node
from manager.fleet.ways import Mail, Webhook


def open_fleet(
    settings: ManagerSettings, state_dir: Path, door: Door, site: str, tenure: Tenure | None = None
) -> Fleet:
    """The fleet of a directory whose vault is open. UserError says what stands in the way."""
    kinds = {"input": settings.inputs, "output": settings.outputs, "agent": settings.agents}
    given = Given(
        fixed=[fixed_node(kind, url) for kind, urls in kinds.items() for url in urls],
        allowed=read_networks(settings.private_networks),
        site=site,
        poll_seconds=settings.fleet_seconds,
        token=settings.service_token(),
        gateway=settings.gateway_socket(),
        contact=settings.contact or "",
    )
    vault, audit = door.accounts.records
    return Fleet(state_dir, vault, audit, given, _ways(settings), tenure=tenure)


def _ways(settings: ManagerSettings) -> Callable[[Line], Mapping[str, Send]]:
    server = settings.mail_server()

    def made(line: Line) -> Mapping[str, Send]:
        ways: dict[str, Send] = {}
        if settings.alarm_webhook:
            ways["webhook"] = Webhook(line, settings.alarm_webhook)
        if settings.alarm_mail_to:
            ways["mail"] = Mail(server, settings.alarm_mail_from, settings.alarm_mail_to)
        return ways

    return made
