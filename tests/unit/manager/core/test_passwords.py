"""Passwords: long and not the first that would be tried; hashes that other programs can read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manager.core import passwords
from manager.core.passwords import Cost

CHEAP = Cost(memory_kib=64, passes=1)
SALT = b"s" * 16


@pytest.mark.parametrize(
    "password",
    ["", "short", "a" * 257, "aaaaaaaaaaaaaa", "abababababab", "passwordpassword", "alice-alice-alice", "123456789012",
     "qwertyuiop123", "zyxwvutsrqponm", "hopmap-hopmap", "tab\tand more of it", "Administrator1", "\u0000" * 14],
)  # fmt: skip
def test_what_is_too_easy_is_refused_with_a_sentence(password: str) -> None:
    fault = passwords.fault(password, "alice")
    assert fault
    assert fault.endswith(".")
    assert not password or password not in fault


@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "kuusi palaa yöllä", "X9$vTq2!mLw7", "\U0001f600 smile wider \U0001f680"],
)
def test_several_words_are_taken(password: str) -> None:
    assert passwords.fault(password, "alice") is None


def test_without_a_name_too() -> None:
    assert passwords.fault("several words of a song", "") is None


def test_a_password_matches_its_hash_alone() -> None:
    phc = passwords.make("several words", SALT, CHEAP)
    assert phc.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert passwords.matches("several words", phc)
    assert not passwords.matches("several words ", phc)


def test_the_same_keys_in_another_form_match() -> None:
    assert passwords.matches("a\u0308iti lauloi minulle", passwords.make("\u00e4iti lauloi minulle", SALT, CHEAP))


@given(st.text(max_size=40))
@settings(max_examples=30)
def test_any_text_can_be_tried(text: str) -> None:
    assert passwords.matches(text, passwords.make(text, SALT, CHEAP))
    passwords.fault(text, "alice")


def test_a_lone_surrogate_is_no_error() -> None:
    assert not passwords.matches("\udc80", passwords.make("several words", SALT, CHEAP))


def test_an_older_cost_is_known() -> None:
    assert passwords.is_of(passwords.make("x", SALT, CHEAP), CHEAP)
    assert not passwords.is_of(passwords.make("x", SALT, CHEAP), Cost())


def test_the_default_is_what_it_says() -> None:
    assert passwords.make("x", SALT, Cost()).startswith("$argon2id$v=19$m=47104,t=2,p=1$")
