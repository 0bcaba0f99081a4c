"""The packaged tables of the real internet, in the shape that the world takes them in."""

from array import array

from hopmap.data import asn, cloud, country
from lab.world.facts import Facts, Prefix


class Holdings:
    """Every network's ranges, in one pass over the table: asking it for one network costs a pass each time."""

    def __init__(self, table: asn.AsnTable) -> None:
        """Eight bytes a range."""
        self._bounds: dict[int, array[int]] = {}
        for first, last, number in table.ranges():
            bounds = self._bounds.get(number)
            if bounds is None:
                bounds = self._bounds[number] = array("I")
            bounds.extend((first, last))

    def of(self, number: int) -> list[tuple[int, int]]:
        """The (first, last) addresses of a network's ranges, ascending."""
        bounds = self._bounds.get(number, ())
        return list(zip(bounds[::2], bounds[1::2], strict=True))


def packaged() -> Facts:
    """Real AS numbers, names, prefixes and countries. DataError when a table is missing or damaged."""
    networks = asn.load()
    return Facts(
        origin=networks.lookup,
        ranges_of=Holdings(networks).of,
        country=country.load().lookup,
        clouds=[Prefix(*prefix) for prefix in cloud.load().prefixes],
    )
