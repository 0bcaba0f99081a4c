"""Network cities, and what distance costs: light in fibre runs 200 km in a millisecond."""

from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

EARTH_KM = 6371.0
FIBRE_KM_PER_MS = 200.0


class City(NamedTuple):
    """A place with routers. `hub` says that the large carriers meet there."""

    code: str
    name: str
    country: str
    lat: float
    lon: float
    hub: bool


_TABLE = """
ams Amsterdam NL 52.37 4.90 *
ath Athens GR 37.98 23.73
atl Atlanta US 33.75 -84.39 *
auh Abu_Dhabi AE 24.45 54.38
bcn Barcelona ES 41.39 2.17
beg Belgrade RS 44.79 20.45
ber Berlin DE 52.52 13.40
bjs Beijing CN 39.90 116.41
bkk Bangkok TH 13.76 100.50
bna Nashville US 36.16 -86.78
bog Bogota CO 4.71 -74.07
bom Mumbai IN 19.08 72.88 *
bos Boston US 42.36 -71.06
bru Brussels BE 50.85 4.35
bud Budapest HU 47.50 19.04
bue Buenos_Aires AR -34.60 -58.38
cai Cairo EG 30.04 31.24
can Guangzhou CN 23.13 113.26
cbf Council_Bluffs US 41.26 -95.86
chi Chicago US 41.88 -87.63 *
chs Charleston US 33.20 -80.01
cmh Columbus US 39.96 -83.00
cpt Cape_Town ZA -33.92 18.42
cph Copenhagen DK 55.68 12.57
del Delhi IN 28.61 77.21
den Denver US 39.74 -104.99
dfw Dallas US 32.78 -96.80 *
dls The_Dalles US 45.59 -121.18
doh Doha QA 25.29 51.53
dub Dublin IE 53.35 -6.26
dus Duesseldorf DE 51.23 6.77
dxb Dubai AE 25.20 55.27
fra Frankfurt DE 50.11 8.68 *
grq Eemshaven NL 53.44 6.83
ham Hamburg DE 53.55 9.99
hel Helsinki FI 60.17 24.94
hkg Hong_Kong HK 22.32 114.17 *
hnd Osaka JP 34.69 135.50
hyd Hyderabad IN 17.39 78.49
iad Ashburn US 39.04 -77.49 *
iev Kyiv UA 50.45 30.52
ist Istanbul TR 41.01 28.98
jkt Jakarta ID -6.21 106.85
jnb Johannesburg ZA -26.20 28.05
kul Kuala_Lumpur MY 3.14 101.69
las Las_Vegas US 36.17 -115.14
lax Los_Angeles US 34.05 -118.24 *
lej Falkenstein DE 50.48 12.37
lim Lima PE -12.05 -77.04
lis Lisbon PT 38.72 -9.14
lon London GB 51.51 -0.13 *
los Lagos NG 6.52 3.38
mad Madrid ES 40.42 -3.70 *
maa Chennai IN 13.08 80.27
mel Melbourne AU -37.81 144.96
mex Mexico_City MX 19.43 -99.13
mia Miami US 25.76 -80.19 *
mil Milan IT 45.46 9.19 *
mnl Manila PH 14.60 120.98
mow Moscow RU 55.76 37.62
mrs Marseille FR 43.30 5.37 *
muc Munich DE 48.14 11.58
nbo Nairobi KE -1.29 36.82
nue Nuremberg DE 49.45 11.08
nyc New_York US 40.71 -74.01 *
osl Oslo NO 59.91 10.75
oul Tampere FI 61.50 23.76
par Paris FR 48.86 2.35 *
pdx Portland US 45.52 -122.68
per Perth AU -31.95 115.86
phx Phoenix US 33.45 -112.07
prg Prague CZ 50.08 14.44
qro Queretaro MX 20.59 -100.39
rbx Roubaix FR 50.69 3.17
rom Rome IT 41.90 12.50
ruh Riyadh SA 24.71 46.68
sao Sao_Paulo BR -23.55 -46.63 *
scl Santiago CL -33.45 -70.67
sea Seattle US 47.61 -122.33 *
sel Seoul KR 37.57 126.98
sha Shanghai CN 31.23 121.47
sin Singapore SG 1.35 103.82 *
sjc San_Jose US 37.34 -121.89 *
slc Salt_Lake_City US 40.76 -111.89
sof Sofia BG 42.70 23.32
sto Stockholm SE 59.33 18.07 *
sxb Strasbourg FR 48.57 7.75
syd Sydney AU -33.87 151.21 *
tlv Tel_Aviv IL 32.09 34.78
tpe Taipei TW 25.03 121.57
trn Turin IT 45.07 7.69
tyo Tokyo JP 35.68 139.69 *
vie Vienna AT 48.21 16.37
waw Warsaw PL 52.23 21.01
yto Toronto CA 43.65 -79.38
yul Montreal CA 45.50 -73.57
yyc Calgary CA 51.05 -114.07
zrh Zurich CH 47.38 8.54
"""


def _read(line: str) -> City:
    code, name, country, lat, lon, *hub = line.split()
    return City(code, name.replace("_", " "), country, float(lat), float(lon), bool(hub))


CITIES: tuple[City, ...] = tuple(_read(line) for line in _TABLE.split("\n") if line)
INDEX: dict[str, int] = {city.code: place for place, city in enumerate(CITIES)}
HUBS: tuple[int, ...] = tuple(place for place, city in enumerate(CITIES) if city.hub)
BY_COUNTRY: dict[str, tuple[int, ...]] = {
    country: tuple(place for place, city in enumerate(CITIES) if city.country == country)
    for country in {city.country for city in CITIES}
}


def _great_circle(one: City, other: City) -> float:
    lat1, lat2 = radians(one.lat), radians(other.lat)
    half_lat, half_lon = (lat2 - lat1) / 2, radians(other.lon - one.lon) / 2
    arc = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lon) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(arc)))


_KM: tuple[tuple[float, ...], ...] = tuple(tuple(_great_circle(a, b) for b in CITIES) for a in CITIES)


def kilometres(one: int, other: int) -> float:
    """Great-circle distance between two cities, by index, in km."""
    return _KM[one][other]


def light_ms(one: int, other: int) -> float:
    """The least one-way delay that fibre allows between two cities, in ms."""
    return _KM[one][other] / FIBRE_KM_PER_MS


def nearest(place: int, places: tuple[int, ...]) -> tuple[int, ...]:
    """The given cities, nearest first (ties by index, so that the order never varies)."""
    return tuple(sorted(places, key=lambda other: (_KM[place][other], other)))
