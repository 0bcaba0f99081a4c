"""Carriers and access networks that the world is built around: real numbers, names and places."""

from typing import NamedTuple


class Carrier(NamedTuple):
    """A network that sells transit around its home; a tier-1 sells it everywhere."""

    number: int
    name: str
    home: str
    reach_km: float


TIER1: dict[int, str] = {
    174: "Cogent",
    701: "Verizon",
    1299: "Arelion",
    2914: "NTT",
    3257: "GTT",
    3320: "Deutsche Telekom",
    3356: "Lumen",
    3491: "PCCW Global",
    5511: "Orange International",
    6453: "Tata",
    6461: "Zayo",
    6762: "Sparkle",
    12956: "Telxius",
}

TRANSIT: tuple[Carrier, ...] = (
    Carrier(6939, "Hurricane Electric", "sjc", 9500),
    Carrier(9002, "RETN", "fra", 3500),
    Carrier(1273, "Vodafone Carrier", "lon", 3000),
    Carrier(3216, "Vimpelcom", "mow", 2500),
    Carrier(1221, "Telstra", "syd", 4000),
    Carrier(4637, "Telstra Global", "hkg", 6000),
    Carrier(4134, "China Telecom", "sha", 2500),
    Carrier(4837, "China Unicom", "bjs", 2500),
    Carrier(4766, "KT", "sel", 1500),
    Carrier(2516, "KDDI", "tyo", 2000),
    Carrier(2497, "IIJ", "tyo", 2000),
    Carrier(7473, "Singtel", "sin", 4000),
    Carrier(3462, "HiNet", "tpe", 1500),
    Carrier(9498, "Bharti Airtel", "del", 3000),
    Carrier(37100, "SEACOM", "jnb", 6000),
    Carrier(30844, "Liquid", "nbo", 4500),
    Carrier(16735, "Algar", "sao", 2500),
    Carrier(28006, "Corporacion Telecom", "bog", 3500),
    Carrier(8551, "Bezeq", "tlv", 2500),
    Carrier(8966, "Etisalat", "dxb", 2500),
    Carrier(7922, "Comcast", "den", 3500),
    Carrier(577, "Bell Canada", "yto", 3000),
    Carrier(1257, "Tele2", "sto", 1500),
    Carrier(5588, "T-Mobile Czech", "prg", 900),
)


class Access(NamedTuple):
    """A network that sells access lines, and the city that a line is in."""

    number: int
    name: str
    city: str
    reach_km: float


LINES: tuple[Access, ...] = (
    Access(3209, "Vodafone Germany", "ber", 600),
    Access(7922, "Comcast", "sea", 3500),
    Access(2516, "KDDI", "hnd", 2000),
    Access(27699, "Vivo", "sao", 1200),
    Access(719, "Elisa", "oul", 500),
    Access(3215, "Orange France", "par", 900),
    Access(55836, "Jio", "del", 2000),
    Access(1221, "Telstra", "mel", 4000),
    Access(2856, "BT", "lon", 500),
    Access(37457, "Telkom SA", "cpt", 1500),
    Access(577, "Bell Canada", "yul", 3000),
    Access(4766, "KT", "sel", 1500),
    Access(3352, "Telefonica Espana", "bcn", 900),
    Access(9299, "PLDT", "mnl", 900),
    Access(12479, "Orange Espana", "mad", 900),
    Access(6830, "Liberty Global", "vie", 1500),
    Access(10796, "Charter", "cmh", 3000),
    Access(3301, "Telia Sweden", "sto", 700),
    Access(3269, "Telecom Italia", "rom", 900),
    Access(9121, "Turk Telekom", "ist", 900),
    Access(8151, "Telmex", "mex", 1500),
    Access(5617, "Orange Polska", "waw", 600),
    Access(7018, "AT&T", "dfw", 3500),
    Access(17676, "SoftBank", "tyo", 1200),
)
