"""The readers of the providers' feeds: each format as it is, then damaged in every way that we thought of."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.data import feeds
from hopmap.data.feeds import FEEDS, FeedError, parse

AWS = {
    "syncToken": "1795000000",
    "createDate": "2026-11-20-00-00-00",
    "prefixes": [
        {"ip_prefix": "3.4.0.0/16", "region": "eu-north-1", "service": "AMAZON", "network_border_group": "eu-north-1"},
        {"ip_prefix": "3.4.0.0/16", "region": "eu-north-1", "service": "EC2", "network_border_group": "eu-north-1"},
        {"ip_prefix": "52.94.0.0/22", "region": "GLOBAL", "service": "AMAZON", "network_border_group": "GLOBAL"},
        {"ip_prefix": "10.1.0.0/16", "region": "us-east-1", "service": "AMAZON", "network_border_group": "us-east-1"},
    ],
    "ipv6_prefixes": [{"ipv6_prefix": "2600:1f00::/24", "region": "GLOBAL", "service": "AMAZON"}],
}
GCP = {
    "prefixes": [
        {"ipv4Prefix": "34.1.208.0/20", "service": "Google Cloud", "scope": "africa-south1"},
        {"ipv6Prefix": "2600:1900:8000::/44", "service": "Google Cloud", "scope": "africa-south1"},
        {"ipv4Prefix": "34.36.0.0/16", "service": "Google Cloud", "scope": "global"},
    ]
}
AZURE = {
    "changeNumber": 400,
    "cloud": "Public",
    "values": [
        {"name": "ActionGroup", "properties": {"region": "", "addressPrefixes": ["13.64.0.0/16"]}},
        {"name": "AzureCloud", "properties": {"region": "", "addressPrefixes": ["13.65.0.0/16"]}},
        {
            "name": "AzureCloud.westeurope",
            "properties": {"region": "westeurope", "addressPrefixes": ["13.69.0.0/17", "2603:1020:200::/46"]},
        },
    ],
}
ORACLE = {
    "last_updated_timestamp": "2026-11-18T19:55:47.204985",
    "regions": [
        {"region": "us-phoenix-1", "cidrs": [{"cidr": "129.146.0.0/21", "tags": ["OCI"]}]},
        {"region": "eu-frankfurt-1", "cidrs": [{"cidr": "134.70.40.0/21", "tags": ["OSN"]}]},
    ],
}
VULTR = {
    "updated": "2026-11-20",
    "subnets": [
        {"ip_prefix": "45.32.0.0/21", "alpha2code": "US", "region": "US-NJ", "city": "Piscataway"},
        {"ip_prefix": "192.0.2.0/24", "alpha2code": "US", "region": "US-NJ", "city": "Piscataway"},
        {"ip_prefix": "2001:19f0::/38", "alpha2code": "NL", "region": "NL-NH", "city": "Amsterdam"},
        {"ip_prefix": "45.63.0.0/20", "alpha2code": None},
    ],
}
FASTLY = {"addresses": ["23.235.32.0/20", "151.101.0.0/16"], "ipv6_addresses": ["2a04:4e40::/32"]}
GITHUB = {
    "verifiable_password_authentication": False,
    "ssh_keys": ["ssh-ed25519 AAAA"],
    "git": ["140.82.112.0/20", "2606:50c0::/32"],
    "web": ["140.82.112.0/20", "185.199.108.0/22"],
    "domains": {"website": ["*.example.com"]},
}
GEOFEED = """\ufeff# a geofeed, RFC 8805
# prefix,country,region,city,postal
45.33.0.0/17,US,US-CA,Fremont,94536

45.56.64.0/18 , US , US-NJ , "Cedar, Knolls" ,
45.79.1.1,DE,Hesse,Frankfurt
2600:3c00::/32,US,US-TX,Richardson,
139.162.0.0/24,,,,
"""
CLOUDFLARE = "# IPv4\n104.16.0.0/13\n162.158.0.0/15"  # without an end of the last line, as it is published

GOOD = {
    "aws": (json.dumps(AWS), {"3.4.0.0/16 eu-north-1", "52.94.0.0/22 "}, 1),
    "gcp": (json.dumps(GCP), {"34.1.208.0/20 africa-south1", "34.36.0.0/16 "}, 0),
    "azure": (json.dumps(AZURE), {"13.69.0.0/17 westeurope"}, 0),
    "oracle": (json.dumps(ORACLE), {"129.146.0.0/21 us-phoenix-1", "134.70.40.0/21 eu-frankfurt-1"}, 0),
    "digitalocean": ("104.131.0.0/18,US,US-NY,New York,10001\r\n", {"104.131.0.0/18 US-NY New York"}, 0),
    "linode": (
        GEOFEED,
        {
            "45.33.0.0/17 US-CA Fremont",
            "45.56.64.0/18 US-NJ Cedar, Knolls",
            "45.79.1.1/32 DE Frankfurt",
            "139.162.0.0/24 ",
        },
        0,
    ),
    "vultr": (json.dumps(VULTR), {"45.32.0.0/21 US-NJ Piscataway", "45.63.0.0/20 "}, 1),
    "cloudflare": (CLOUDFLARE, {"104.16.0.0/13 ", "162.158.0.0/15 "}, 0),
    "fastly": (json.dumps(FASTLY), {"23.235.32.0/20 ", "151.101.0.0/16 "}, 0),
    "github": (json.dumps(GITHUB), {"140.82.112.0/20 ", "185.199.108.0/22 "}, 0),
}
BY_NAME = {feed.provider: feed for feed in FEEDS}
HTML = "<!DOCTYPE html>\n<html><head><title>503: try later</title></head><body>Sorry</body></html>\n"


def test_every_feed_has_a_test() -> None:
    assert GOOD.keys() == BY_NAME.keys()


@pytest.mark.parametrize("provider", GOOD)
def test_a_feed_as_it_is_published(provider: str) -> None:
    content, expected, dropped = GOOD[provider]
    parsed = parse(BY_NAME[provider], content.encode())
    assert {f"{addresses.prefix_text(one.network, one.length)} {one.region}" for one in parsed.prefixes} == expected
    assert {one.provider for one in parsed.prefixes} == {provider}
    assert parsed.dropped == dropped


@pytest.mark.parametrize("provider", GOOD)
@pytest.mark.parametrize(
    "content",
    [b"", b"\n", HTML.encode(), b"[]", b"null", b"{}", b"\xff\xfe\x00", b"[" * 100_000, b'{"prefixes": ' + b"9" * 5000],
    ids=["empty", "blank", "error page", "list", "null", "object", "not utf-8", "deep", "big number"],
)
def test_what_is_no_feed_is_refused(provider: str, content: bytes) -> None:
    with pytest.raises(FeedError):
        parse(BY_NAME[provider], content)


@pytest.mark.parametrize("provider", [name for name, (text, _, _) in GOOD.items() if text.startswith("{")])
def test_json_cut_anywhere_is_refused(provider: str) -> None:
    content = GOOD[provider][0].encode()
    for size in range(len(content)):
        with pytest.raises(FeedError):
            parse(BY_NAME[provider], content[:size])


@pytest.mark.parametrize(
    ("provider", "content", "why"),
    [
        ("aws", {"prefixes": [5]}, "'prefixes' 1 is not an object"),
        ("aws", {"prefixes": [{"ip_prefix": 5, "region": "x"}]}, "'prefixes' 1 has no text 'ip_prefix'"),
        ("aws", {"prefixes": [{"ip_prefix": "3.4.0.1/16", "region": "x"}]}, "entry 1: '3.4.0.1/16' has host bits set"),
        ("gcp", {"prefixes": [{"ipv4Prefix": "3.4.0.0/33", "scope": "x"}]}, "entry 1: .* has no prefix length"),
        ("azure", {"values": [{"name": "AzureCloud.x"}]}, "'values' 1 has no 'properties'"),
        (
            "azure",
            {"values": [{"name": "AzureCloud.x", "properties": {"region": "x", "addressPrefixes": [1]}}]},
            "other things than texts",
        ),
        ("oracle", {"regions": [{"region": "x", "cidrs": {}}]}, "it has no list 'cidrs'"),
        ("fastly", {"addresses": ["fe80::1::2"]}, "entry 1: 'fe80::1::2' is not an IPv4 address"),
        ("fastly", {"addresses": ["2a04:4e40::/32"]}, "no IPv4 prefix in it"),
        ("fastly", {"addresses": ["0.0.0.0/0", "8.0.0.0/7", "192.168.0.0/16"]}, "no IPv4 prefix in it"),
        ("github", {"web": ["140.82.112.0/20"]}, "it has no list 'git'"),
    ],
)
def test_a_wrong_part_is_named(provider: str, content: object, why: str) -> None:
    with pytest.raises(FeedError, match=why):
        parse(BY_NAME[provider], json.dumps(content).encode())


def test_an_endless_column_is_refused() -> None:
    with pytest.raises(FeedError, match="not a geofeed"):
        parse(BY_NAME["linode"], b'"' + b"9" * 200_000 + b'"\n')


def test_a_feed_beyond_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    places = "".join(f"8.{n}.0.0/16,US,US-CA,Town {n}\n" for n in range(4)).encode()
    monkeypatch.setattr(feeds, "MOST_REGIONS", 3)
    with pytest.raises(FeedError, match="more than 3 regions"):
        parse(BY_NAME["linode"], places)
    monkeypatch.setattr(feeds, "MOST_PREFIXES", 3)
    with pytest.raises(FeedError, match="more than 3 prefixes"):
        parse(BY_NAME["linode"], places)


def test_labels_are_made_safe() -> None:
    row = {"ip_prefix": "3.4.0.0/16", "region": "a\tb\nc\u2028\x1b[2J\ud800" + "x" * 500}
    (found,) = parse(BY_NAME["aws"], json.dumps({"prefixes": [row]}).encode()).prefixes
    assert found.region.startswith("a?b?c??[2J?x")
    assert len(found.region) == feeds.LONGEST_REGION
    found.region.encode()


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_flipped_byte_gives_prefixes_or_a_feed_error(provider: str, data: st.DataObject) -> None:
    content = bytearray(GOOD[provider][0].encode())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse(BY_NAME[provider], bytes(content))
    except FeedError:
        return
    assert all(one.length >= feeds.WIDEST and "\t" not in one.region for one in parsed.prefixes)
