"""Requests to be left alone, their proof and receipt; and the file that tells who probes."""

import re

import pytest

from manager.fleet.core.optout import (
    CHECK_SECONDS,
    LIFE_SECONDS,
    LONGEST_FILE,
    MOST_CHECKS,
    Denied,
    Receipt,
    Request,
    Tries,
    address_of,
    may_check,
    new_request,
    opt_out,
    proven_by_file,
    proven_by_name,
    read_prefix,
    read_receipt,
    read_request,
    receipt,
)
from manager.fleet.core.probing_txt import probing_txt

TOKEN = "0123456789abcdef" * 2
ONE, MANY = Request("62.1.2.3/32", TOKEN, 1000), Request("62.1.2.0/24", TOKEN, 1000)


@pytest.mark.parametrize(
    ("text", "prefix"), [(" 62.1.2.3 ", "62.1.2.3/32"), ("62.1.2.0/24", "62.1.2.0/24"), ("62.1.2.3/32", "62.1.2.3/32")]
)
def test_what_can_be_asked_for(text: str, prefix: str) -> None:
    assert read_prefix(text) == prefix
    assert address_of(prefix) == prefix.partition("/")[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Write an IPv4"),
        ("example.org", "Write an IPv4"),
        ("62.1.2.3/24", "Write an IPv4"),
        ("62.1.2.03", "Write an IPv4"),
        ("2a00::1", "Write an IPv4"),
        ("62.1.2.3; DROP TABLE opt_out", "Write an IPv4"),
        ("62.0.0.0/8", "an address or a /24"),
        ("0.0.0.0/0", "an address or a /24"),
        ("62.1.2.0/25", "an address or a /24"),
        ("127.0.0.1", "never probed"),
        ("10.1.2.0/24", "never probed"),
        ("169.254.169.254", "never probed"),
    ],
)
def test_what_can_not(text: str, why: str) -> None:
    with pytest.raises(Denied, match=why):
        read_prefix(text)


@pytest.mark.parametrize(
    ("names", "proven"),
    [
        ((f"hopmap-opt-out-{TOKEN}.example.org.",), True),
        (("other.example.org", f"x.HOPMAP-OPT-OUT-{TOKEN}"), True),
        ((f"hopmap-opt-out-{TOKEN}x.example.org",), False),
        ((TOKEN,), False),
        (("hopmap-opt-out-.example.org",), False),
        (("\udc80.example.org", "\u00e4"), False),
        ((), False),
    ],
)
def test_proof_by_name(names: tuple[str, ...], proven: bool) -> None:
    assert proven_by_name(ONE, names) == proven_by_name(MANY, names) == proven


@pytest.mark.parametrize(
    ("status", "body", "proven"),
    [
        (200, TOKEN.encode(), True),
        (200, b"# for hopmap\r\n" + TOKEN.encode() + b"\r\n", True),
        (404, TOKEN.encode(), False),
        (302, TOKEN.encode(), False),
        (200, b"<p>" + TOKEN.encode(), False),  # a page that shows what it was asked for proves nothing
        (200, b"", False),
        (200, b"\n" * LONGEST_FILE + TOKEN.encode(), False),
    ],
)
def test_proof_by_file_for_one_address(status: int, body: bytes, proven: bool) -> None:
    assert proven_by_file(ONE, status, body) == proven
    assert not proven_by_file(MANY, status, body)


def test_how_often() -> None:
    first = may_check(Tries(), 100.0)
    assert first == Tries(1, 100.0)
    assert may_check(first, 100.0 + CHECK_SECONDS).made == 2
    for tries, now, why in ((Tries(MOST_CHECKS, 0.0), 1000.0, "too often"), (first, 101.0, "a moment ago")):
        with pytest.raises(Denied, match=why):
            may_check(tries, now)


def test_a_request_is_known_again_by_its_token_alone() -> None:
    key, now = b"k" * 32, 1_795_420_800.0
    made = new_request(key, "62.1.2.3/32", now)
    assert read_request(key, made.prefix, f" {made.token} ", now + LIFE_SECONDS - 1) == made
    assert new_request(key, "62.1.2.4/32", now).token != made.token != new_request(key, made.prefix, now + 1).token
    later = f"{int(now) + 1:08x}{made.token[8:]}"
    for prefix, token, at, why in (
        ("62.1.2.4/32", made.token, now, "no such request"),
        ("62.1.2.0/24", made.token, now, "no such request"),
        (made.prefix, later, now, "no such request"),
        (made.prefix, made.token[:-1], now, "no such request"),
        (made.prefix, "\u0663" * 40, now, "no such request"),
        (made.prefix, made.token, now + LIFE_SECONDS + 1, "older"),
        (made.prefix, made.token, now - 1, "older"),
    ):
        with pytest.raises(Denied, match=why):
            read_request(key, prefix, token, at)
    with pytest.raises(Denied, match="no such request"):
        read_request(b"x" * 32, made.prefix, made.token, now)


def test_entry() -> None:
    assert opt_out(ONE, "2026-11-23", "file").reason == "owner, by file"


def test_receipts() -> None:
    given = Receipt("62.1.2.3/32", 1_795_420_800, 17)
    text = receipt(b"k" * 32, given)
    assert read_receipt(b"k" * 32, f" {text}\n") == given
    for wrong in (
        "", "hopmap", text[:-1], text + "0", text.replace(":17:", ":18:"), text.replace("62.1", "62.2"), "\u0663" * 60
    ):  # fmt: skip
        with pytest.raises(Denied, match="not given here"):
            read_receipt(b"k" * 32, wrong)
    with pytest.raises(Denied):
        read_receipt(b"x" * 32, text)


def test_probing_txt() -> None:
    text = probing_txt("hopmap.example.org", "mailto:noc@example.org", 1_795_420_800.0)
    lines = text.split("\r\n")
    assert lines[-1] == ""
    assert all(re.fullmatch(r"[A-Z][A-Za-z-]*: [!-~ ]+", line) for line in lines[:-1])
    found = [line.partition(": ")[::2] for line in lines[:-1]]
    assert [name for name, _ in found if name != "Contact"] == [
        "Canonical",
        "Expires",
        "Preferred-Languages",
        "Description",
    ]
    assert dict(found)["Canonical"] == "https://hopmap.example.org/.well-known/probing.txt"
    assert dict(found)["Expires"] == "2027-05-22T08:00:00Z"
