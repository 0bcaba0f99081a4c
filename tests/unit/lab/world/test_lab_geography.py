import pytest

from lab.world.geography import CITIES, INDEX, kilometres, light_ms, nearest
from lab.world.regions import city_of_region


def test_distances_are_those_of_the_globe() -> None:
    assert kilometres(INDEX["lon"], INDEX["nyc"]) == pytest.approx(5570, rel=0.01)
    assert kilometres(INDEX["fra"], INDEX["sin"]) == pytest.approx(10270, rel=0.01)
    assert light_ms(INDEX["lon"], INDEX["nyc"]) == pytest.approx(27.85, rel=0.01)
    assert all(kilometres(place, place) == 0.0 for place in range(len(CITIES)))


def test_codes_are_unique_and_coordinates_real() -> None:
    assert len({city.code for city in CITIES}) == len(CITIES) >= 60
    assert all(-60 < city.lat < 72 and -180 <= city.lon <= 180 for city in CITIES)


def test_nearest_begins_with_the_place_itself() -> None:
    order = nearest(INDEX["ber"], tuple(range(len(CITIES))))
    assert order[0] == INDEX["ber"]
    assert [CITIES[place].code for place in order[1:3]] == ["lej", "ham"]


@pytest.mark.parametrize(
    ("region", "country", "city"),
    [
        ("eu-central-1", None, "fra"),
        ("US-EAST-1", "JP", "iad"),
        ("frankfurt", None, "fra"),
        ("fra1", None, "fra"),
        ("SG", "US", "sin"),
        ("no-such", "FI", None),
    ],
)
def test_regions_lie_where_their_names_say(region: str, country: str | None, city: str | None) -> None:
    found = CITIES[city_of_region("cumulus", region, country)]
    assert found.code == city if city else found.country == country


def test_an_unknown_region_has_one_fixed_city() -> None:
    assert city_of_region("cumulus", "moonbase", None) == city_of_region("cumulus", "moonbase", None)
    assert len({city_of_region("cumulus", f"moonbase{number}", None) for number in range(50)}) > 10
