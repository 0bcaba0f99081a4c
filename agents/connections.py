"""The places of the settings opened: clients of services, where targets come from and where results go."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from agents.core.near import Neighbours
from agents.line import LineMeter
from agents.sinks import FileSink, HttpSink, Sink
from agents.sources import FileSource, HttpSource, Source
from hopmap import __version__
from hopmap.affinity import preference
from hopmap.client import Client, Endpoint
from hopmap.errors import UserError, one_line

Places = TypeVar("Places", bound=Endpoint | Path)


def in_own_order(name: str, places: Sequence[Places]) -> list[Places]:
    """Services in this agent's own order, so that a fleet spreads over them; with a file among them as they are."""
    urls = [place.url for place in places if isinstance(place, Endpoint)]
    return [places[at] for at in preference(name, urls)] if len(urls) == len(places) else list(places)


class Connections:
    """Makes them, each client with a meter of its line; `lines` grows with them."""

    def __init__(
        self,
        name: str,
        token: str | None,
        private_networks: Sequence[str],
        steady: Callable[[], float],
        neighbours: Neighbours,
    ) -> None:
        """`name` is what the agent is known as."""
        self.lines: list[LineMeter] = []
        self._clients: list[Client] = []
        self._headers = {"X-Consumer-Id": name, "User-Agent": f"hopmap-agent/{__version__}"}
        self._token = token
        self._private_networks = private_networks
        self._steady = steady
        self._neighbours = neighbours

    def client(self, place: Endpoint) -> Client:
        """One for a service. UserError when the token would go there in the clear."""
        meter = LineMeter()
        try:
            made = Client(place, self._token, self._private_networks, headers=self._headers, meter=meter)
        except ValueError as error:
            raise UserError(one_line(error)) from error
        self.lines.append(meter)
        self._clients.append(made)
        return made

    def source(self, place: Endpoint | Path) -> Source:
        """Where targets come from."""
        if isinstance(place, Endpoint):
            return HttpSource(self.client(place), self._steady, self._neighbours)
        return FileSource(place, self._steady)

    def sink(self, place: Endpoint | Path) -> Sink:
        """Where results go."""
        return HttpSink(self.client(place)) if isinstance(place, Endpoint) else FileSink(place)

    def close(self) -> None:
        """End every connection."""
        for one in self._clients:
            one.close()
