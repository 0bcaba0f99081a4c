"""Build hopmap/data/places.tsv: for every country code a name and a point, from public-domain data.

The point is the centre of the country's largest piece of land (Natural Earth, in the npm package world-atlas), and
where Natural Earth has no shape of its own for the code, the first place that the time zone database lists for it.
Names are those of the time zone database (PyPI package tzdata). See docs/data.md.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from build_data import TARGET, from_npm, from_pypi, write

Point = tuple[float, float]  # longitude, latitude
HALF_TURN = 180

CHANGED_NAMES = {"GB": "United Kingdom"}  # the time zone database calls it "Britain (UK)"
UNNUMBERED = {"Kosovo": "XK"}  # no ISO number, but in use in the country table


def main() -> int:
    """Rebuild the table, from folders given or from packages fetched by name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", type=Path, help="folder of the unpacked npm package world-atlas")
    parser.add_argument("--codes", type=Path, help="folder of the unpacked npm package i18n-iso-countries")
    parser.add_argument("--tzdata", type=Path, help="folder of the unpacked PyPI package tzdata")
    parser.add_argument("--target", type=Path, default=TARGET, help="folder to write to (default: hopmap/data)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        atlas = chosen.atlas or from_npm("world-atlas", folder)
        codes = chosen.codes or from_npm("i18n-iso-countries", folder)
        zones = next((chosen.tzdata or from_pypi("tzdata", folder)).glob("tzdata/zoneinfo"))
        write(chosen.target / "places.tsv", table(atlas, codes, zones))
    return 0


def table(atlas: Path, codes: Path, zones: Path) -> bytes:
    """The rows: code, name, latitude, longitude, where the point is from."""
    alpha2 = {row[2]: row[0] for row in json.loads((codes / "codes.json").read_text())}
    names = dict(tab_rows(zones / "iso3166.tab")) | {"XK": "Kosovo"} | CHANGED_NAMES
    towns: dict[str, Point] = {}
    for code, place in tab_rows(zones / "zone.tab"):
        towns.setdefault(code, zone_point(place))
    shapes = json.loads((atlas / "countries-50m.json").read_text())
    rings: dict[str, list[Point]] = {}
    for shape in shapes["objects"]["countries"]["geometries"]:
        code = alpha2.get(shape.get("id", "")) or UNNUMBERED.get(shape["properties"]["name"], "")
        rings[code] = max([rings.get(code, []), *outlines(shapes, shape)], key=size)  # some codes have several shapes
    centres = {code: centre(ring) for code, ring in rings.items() if code and size(ring)}
    version = json.loads((atlas / "package.json").read_text())["version"]
    lines = [
        "# Countries: code, name, latitude, longitude (of the centre of the largest land, or of a town).",
        f"# Natural Earth by way of world-atlas {version}, and the time zone database: public domain.",
    ]
    for code in sorted(names.keys() & (centres.keys() | towns.keys())):  # BV and HM: nobody lives there
        longitude, latitude = centres.get(code) or towns[code]
        kind = "centre" if code in centres else "town"
        lines.append(f"{code}\t{names[code]}\t{latitude:.1f}\t{longitude:.1f}\t{kind}")
    return ("\n".join(lines) + "\n").encode()


def tab_rows(path: Path) -> Iterator[tuple[str, str]]:
    """The first two columns of a table of the time zone database."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            code, value, *_ = line.split("\t")
            yield code, value


def zone_point(text: str) -> Point:
    """ISO 6709 degrees and minutes (+DDMM+DDDMM, seconds allowed) as a point."""
    cut = max(text.rfind("+"), text.rfind("-"))
    return degrees(text[cut:], 3), degrees(text[:cut], 2)


def degrees(text: str, digits: int) -> float:
    """+DDMM, +DDDMM or with seconds, as degrees."""
    whole, minutes, seconds = text[1 : 1 + digits], text[1 + digits : 3 + digits], text[3 + digits :] or "0"
    value = int(whole) + int(minutes) / 60 + int(seconds) / 3600
    return -value if text.startswith("-") else value


def outlines(topology: dict[str, Any], shape: dict[str, Any]) -> list[list[Point]]:
    """The outer rings of a TopoJSON geometry; those that go round a pole are left out."""
    polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
    rings = [unrolled([point for arc in polygon[0] for point in arc_points(topology, arc)]) for polygon in polygons]
    return [ring for ring in rings if abs(ring[0][0] - ring[-1][0]) < HALF_TURN]


def unrolled(ring: list[Point]) -> list[Point]:
    """The ring without jumps at the 180th meridian: longitudes may go beyond it."""
    turns, points = 0, [ring[0]]
    for (before, _), (longitude, latitude) in pairwise(ring):
        turns += (before - longitude > HALF_TURN) - (longitude - before > HALF_TURN)
        points.append((longitude + 2 * HALF_TURN * turns, latitude))
    return points


def arc_points(topology: dict[str, Any], index: int) -> list[Point]:
    """The points of an arc; a negative index is the arc ~index, backwards (TopoJSON specification 2.1.4)."""
    scale, move = topology["transform"]["scale"], topology["transform"]["translate"]
    x = y = 0
    points = []
    for dx, dy in topology["arcs"][index if index >= 0 else ~index]:
        x, y = x + dx, y + dy
        points.append((x * scale[0] + move[0], y * scale[1] + move[1]))
    return points if index >= 0 else points[::-1]


def size(ring: list[Point]) -> float:
    """Something that grows with the area of the ring."""
    return abs(moments(ring)[0])


def moments(ring: list[Point]) -> tuple[float, float, float]:
    """Twice the area and its moments in Lambert's cylindrical projection, which keeps areas."""
    area = across = up = 0.0
    flat = [(longitude, math.sin(math.radians(latitude))) for longitude, latitude in ring]
    for (x0, y0), (x1, y1) in pairwise([*flat, *flat[:1]]):
        turn = x0 * y1 - x1 * y0
        area, across, up = area + turn, across + (x0 + x1) * turn, up + (y0 + y1) * turn
    return area, across, up


def centre(ring: list[Point]) -> Point:
    """The centre of the area that a ring encloses."""
    area, across, up = moments(ring)
    longitude = (across / (3 * area) + HALF_TURN) % (2 * HALF_TURN) - HALF_TURN
    return longitude, math.degrees(math.asin(up / (3 * area)))


if __name__ == "__main__":
    raise SystemExit(main())
