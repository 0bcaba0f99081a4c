"""Where the regions of the clouds are: their own names for them, or else the words in the name."""

from lab.world.dice import mix, spread
from lab.world.geography import BY_COUNTRY, CITIES, INDEX

_REGIONS = """
us-east-1 iad|us-east-2 cmh|us-west-1 sjc|us-west-2 pdx|us-gov-west-1 pdx|us-gov-east-1 cmh|ca-central-1 yul
ca-west-1 yyc|sa-east-1 sao|eu-west-1 dub|eu-west-2 lon|eu-west-3 par|eu-central-1 fra|eu-central-2 zrh
eu-north-1 sto|eu-south-1 mil|eu-south-2 mad|ap-northeast-1 tyo|ap-northeast-2 sel|ap-northeast-3 hnd
ap-southeast-1 sin|ap-southeast-2 syd|ap-southeast-3 jkt|ap-southeast-4 mel|ap-southeast-5 kul|ap-southeast-7 bkk
ap-south-1 bom|ap-south-2 hyd|ap-east-1 hkg|ap-east-2 tpe|me-south-1 doh|me-central-1 dxb|af-south-1 cpt
il-central-1 tlv|mx-central-1 qro|cn-north-1 bjs|cn-northwest-1 bjs|us-central1 cbf|us-east1 chs|us-east4 iad
us-east5 cmh|us-south1 dfw|us-west1 dls|us-west2 lax|us-west3 slc|us-west4 las|northamerica-northeast1 yul
northamerica-northeast2 yto|northamerica-south1 qro|southamerica-east1 sao|southamerica-west1 scl|europe-west1 bru
europe-west2 lon|europe-west3 fra|europe-west4 grq|europe-west6 zrh|europe-west8 mil|europe-west9 par
europe-west10 ber|europe-west12 trn|europe-north1 hel|europe-north2 sto|europe-central2 waw|europe-southwest1 mad
asia-east1 tpe|asia-east2 hkg|asia-northeast1 tyo|asia-northeast2 hnd|asia-northeast3 sel|asia-south1 bom
asia-south2 del|asia-southeast1 sin|asia-southeast2 jkt|australia-southeast1 syd|australia-southeast2 mel
me-west1 tlv|me-central1 doh|me-central2 ruh|africa-south1 jnb|eu-frankfurt-1 fra|uk-london-1 lon|us-ashburn-1 iad
us-phoenix-1 phx|us-chicago-1 chi|us-sanjose-1 sjc|ca-toronto-1 yto|ca-montreal-1 yul|ap-tokyo-1 tyo|ap-osaka-1 hnd
ap-seoul-1 sel|ap-mumbai-1 bom|ap-hyderabad-1 hyd|ap-singapore-1 sin|ap-sydney-1 syd|ap-melbourne-1 mel
eu-amsterdam-1 ams|eu-zurich-1 zrh|eu-paris-1 par|eu-marseille-1 mrs|eu-milan-1 mil|eu-stockholm-1 sto
eu-madrid-1 mad|sa-saopaulo-1 sao|sa-santiago-1 scl|sa-bogota-1 bog|me-jeddah-1 ruh|me-dubai-1 dxb|af-johannesburg-1 jnb
"""
_CITY_OF: dict[str, int] = {
    region: INDEX[code]
    for region, code in (pair.split() for line in _REGIONS.split("\n") for pair in line.split("|") if pair)
}
_WORDS: dict[str, int] = {city.name.lower().replace(" ", ""): place for place, city in enumerate(CITIES)} | {
    city.code: place for place, city in enumerate(CITIES)
}


def city_of_region(provider: str, region: str, country: str | None) -> int:
    """The city index of a cloud region; unknown names get a fixed city, inside `country` where that is known."""
    name = region.lower()
    if name in _CITY_OF:
        return _CITY_OF[name]
    plain = "".join(letter for letter in name if letter.isalpha())
    if plain in _WORDS:
        return _WORDS[plain]
    choice = BY_COUNTRY.get(name.upper()) or BY_COUNTRY.get(country or "") or tuple(range(len(CITIES)))
    return choice[mix(spread(provider), spread(name)) % len(choice)]
