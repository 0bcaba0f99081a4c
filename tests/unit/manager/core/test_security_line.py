"""Lines of the security log: one line, its fields, and nothing that anybody sends in can be more than a word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.core import security_line

FORM = re.compile(r'sec v=1 ip=([0-9a-f.:]+) ev=login_fail acct="([^"\\=<>]*)" reason="([^"\\=<>]*)"')
HOSTILE = [
    "a\nb", "a\r\nsec v=1 ip=203.0.113.66 ev=login_fail", 'a" ip=203.0.113.66', "\u2028x", "\u0085x", "\x1b[2J", "\0",
    "\udc80", "x" * 5000, "<HOST>", "%0a", "\\n", "203.0.113.66", "=", '"',
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_one_word(name: str) -> None:
    found = security_line.line("198.51.100.7", "login_fail", name, reason="bad_password")
    match = FORM.fullmatch(found)
    assert match
    assert match[1] == "198.51.100.7"
    assert found.isascii()
    assert found.isprintable()
    assert len(match[2]) <= 64 * 12


@given(st.text(min_size=1), st.text())
def test_any_words_stay_words(name: str, reason: str) -> None:
    assert FORM.fullmatch(security_line.line("2001:db8::1", "login_fail", name, reason=reason))


def test_without_an_account_there_are_no_words_to_match() -> None:
    assert security_line.line("192.0.2.1", "started") == "sec v=1 ip=192.0.2.1 ev=started"
    assert security_line.line("192.0.2.1", "x", reason="y z") == 'sec v=1 ip=192.0.2.1 ev=x reason="y z"'


@pytest.mark.parametrize(
    ("given", "shown", "place"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:1::5", "2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("localhost", "127.0.0.1", "127.0.0.1"),
        ("", "0.0.0.0", "0.0.0.0"),
        ('1.2.3.4" ev=x', "0.0.0.0", "0.0.0.0"),
        ("010.0.0.1", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_addresses(given: str, shown: str, place: str) -> None:
    assert security_line.shown(given) == shown
    assert security_line.place(given) == place
