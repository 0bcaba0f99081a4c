"""Who bears an address: the world's directory of router interfaces and their names."""

from lab.world import names
from lab.world.access import Vantage
from lab.world.routes import Routes


class Naming:
    """Looks names up in a world of these routes and access lines."""

    def __init__(self, routes: Routes, vantages: tuple[Vantage, ...]) -> None:
        """Nothing is kept."""
        self._routes = routes
        self._gateways = {line.gateway: line for line in vantages}

    def name_of(self, address: int) -> str | None:
        """The name of a router's interface, None for everything else."""
        line = self._gateways.get(address)
        if line is not None:
            return line.access.lanes[0].hops[0].router.name
        routers = self._routes.routers
        origin = self._routes.networks.facts.origin(address)
        if origin is None:
            return None
        place = routers.bearer(address, origin[0])
        if place:
            return names.interface_name(routers.of_network(*place).name, address)
        if address == routers.gateway_address(address >> 8):
            return routers.gateway(address >> 8, origin[0], self._routes.host_city(address, origin[0])).name
        return None
