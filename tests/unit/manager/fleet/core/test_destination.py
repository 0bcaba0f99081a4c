"""Which places the manager connects to when others name them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.data.special import special_use
from manager.fleet.core.destination import (
    Destination,
    Refused,
    is_named_private,
    read_networks,
    read_url,
    refusal,
    unwrapped,
)

ALL_PRIVATE = read_networks(["10.0.0.0/8", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "::1/128", "fc00::/7"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://192.0.2.1:8090", Destination("192.0.2.1", 8090, tls=False)),
        ("http://192.0.2.1/", Destination("192.0.2.1", 80, tls=False)),
        ("https://Node.Example.org", Destination("node.example.org", 443, tls=True)),
        ("https://n.example.org:8443/agents/a1/", Destination("n.example.org", 8443, tls=True, path="/agents/a1")),
        ("http://[2A00::1]:8090", Destination("2a00::1", 8090, tls=False)),
        ("https://localhost:1024", Destination("localhost", 1024, tls=True)),
    ],
)
def test_urls_that_are_taken(text: str, found: Destination) -> None:
    assert read_url(text) == found
    assert read_url(found.url) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with http"),
        ("node.example.org:8090", "begins with http"),
        ("ftp://node.example.org", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("gopher://127.0.0.1:6379/_x", "begins with http"),
        ("unix:///run/x.sock", "begins with http"),
        ("http://", "no host name"),
        ("http://:8090", "no host name"),
        ("http://a b", "plain characters"),
        ("http://node\r\nHost: evil", "plain characters"),
        ("http://node\\@evil.example", "plain characters"),
        ("http://n\u00f6de.example", "plain characters"),
        ("http://node.example/" + "a" * 300, "plain characters"),
        ("http://user:secret@node.example.org", "no user"),
        ("http://allowed.example@169.254.169.254/", "no user"),
        ("http://node.example/?next=http://evil", "no user"),
        ("http://node.example/#x", "no user"),
        ("http://node.example?", "no user"),
        ("http://node.example/../admin", "path"),
        ("http://node.example/%2e%2e/admin", "path"),
        ("http://node.example//admin", "path"),
        ("http://node.example/a/b/c/d/e", "path"),
        ("http://node.example:22", "port"),
        ("http://node.example:0", "port"),
        ("http://node.example:99999", "port"),
        ("http://node.example:999999", "no URL"),
        ("http://node.example:eight", "no URL"),
        ("http://[::1", "no URL"),
        ("http://[fe80::1%25eth0]:8090", "no URL"),
        ("http://[fe80::1%251]:8090", "IPv6"),
        ("http://[::ffff:1.2.3.4.5]", "no URL|IPv6"),
        ("http://2130706433/", "four decimal"),
        ("http://0x7f000001/", "four decimal"),
        ("http://0177.0.0.1/", "four decimal"),
        ("http://127.1/", "four decimal"),
        ("http://127.0.0.0x1/", "four decimal"),
        ("http://1.2.3.4.5/", "four decimal"),
        ("http://-x.example", "no host name"),
        ("http://x..example", "no host name"),
        ("http://x_y.example", "no host name"),
        ("http://" + "a." * 140, "no host name"),
    ],
)
def test_urls_that_are_not(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_url(text)


REFUSED = [
    "0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "192.0.0.192", "100.100.100.200", "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
    "198.18.0.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "::ffff:0:127.0.0.1",
    "100::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_no_public_ones(text: str) -> None:
    assert refusal(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["62.1.2.3", "2a00::1", "64:ff9b::3e01:203", "2002:3e01:203::1", "::ffff:62.1.2.3"])
def test_public_addresses(text: str) -> None:
    assert refusal(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:10.1.2.3", True),
        ("64:ff9b::a01:203", True),
        ("100.64.0.1", True),
        ("fd12::1", True),
        ("172.16.0.1", False),  # not named
        ("100.100.100.200", False),
        ("fd00:ec2::254", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("224.0.0.1", False),
        ("fe80::1", False),
    ],
)
def test_what_the_operator_allows(text: str, may: bool) -> None:
    assert (refusal(ipaddress.ip_address(text), ALL_PRIVATE) is None) == may


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0/0", "not a private"),
        ("::/0", "not a private"),
        ("169.254.0.0/16", "not a private"),
        ("10.0.0.0/7", "no network|not a private"),
        ("8.8.8.0/24", "not a private"),
        ("10.0.0.1/8", "no network"),
        ("home", "no network"),
        ("", "no network"),
    ],
)
def test_networks_that_nobody_can_allow(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_networks([text])


def test_tokens_go_in_the_clear_to_named_networks_and_this_machine_only() -> None:
    home = read_networks(["192.168.0.0/16"])
    shown = {
        text: is_named_private(ipaddress.ip_address(text), home) for text in ("192.168.1.1", "127.0.0.1", "62.1.2.3")
    }
    assert shown == {"192.168.1.1": True, "127.0.0.1": True, "62.1.2.3": False}


@given(st.ip_addresses(v=4))
def test_every_form_of_an_ipv4_address_is_judged_as_the_address(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
    ]
    assert {unwrapped(form) for form in forms} == {address}
    assert {refusal(form) for form in forms} == {refusal(address)}
    if special_use(number) is not None:
        assert refusal(address)
