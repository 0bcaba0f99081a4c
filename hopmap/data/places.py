"""Countries by ISO 3166-1 alpha-2 code: a name and a point on the map, for what is known of a country only."""

from importlib import resources
from typing import NamedTuple

from hopmap.data.packed import DataError

FILE = "places.tsv"


class Place(NamedTuple):
    """A country's name and a point in it, in degrees: the centre of its largest land, or a town where `is_town`."""

    name: str
    latitude: float
    longitude: float
    is_town: bool


def load() -> dict[str, Place]:
    """The table that comes with hopmap. DataError when it is missing or damaged."""
    where = f"hopmap/data/{FILE}"
    try:
        text = resources.files("hopmap.data").joinpath(FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where} is missing or damaged: install hopmap again") from error
    return parse(text, where)


def parse(text: str, where: str) -> dict[str, Place]:
    """Read rows of code, name, latitude, longitude, centre or town; DataError names the line that is none."""
    places = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        try:
            code, name, latitude, longitude, kind = line.split("\t")
            places[code] = Place(name, float(latitude), float(longitude), kind == "town")
        except ValueError as error:
            raise DataError(f"{where}, line {number}, is damaged ({error}): install hopmap again") from error
    return places
