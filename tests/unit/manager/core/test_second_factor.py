"""Second factors: each code once, in its time."""

import base64
import random

import pyotp
import pytest

from manager.core import second_factor, users
from manager.core.users import User

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
SECRET = second_factor.secret_from(b"x" * 20)
NOW = 1_700_000_010.0


def user(**changed: object) -> User:
    fields: dict[str, object] = {
        "name": "alice", "role": "admin", "password": "", "totp": SECRET, "step": 0, "recovery": (), "created": "",
    }  # fmt: skip
    return User(**fields | changed)  # type: ignore[arg-type] # fields by name


@pytest.mark.parametrize(
    ("now", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_the_codes_of_rfc_6238(now: int, code: str) -> None:
    assert second_factor.step_of(RFC_SECRET, code, now) == now // 30


@pytest.mark.parametrize(("late", "good"), [(-30, False), (0, True), (30, True), (60, False)])
def test_a_code_is_good_in_its_step_and_the_next(late: int, *, good: bool) -> None:
    code = pyotp.TOTP(SECRET).at(int(NOW))
    assert (second_factor.step_of(SECRET, code, NOW + late) is not None) is good


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "12345\u0663", "12345a", "x" * 10_000, "\u0661" * 6]
)
def test_what_is_no_code_is_none(code: str) -> None:
    assert second_factor.step_of(SECRET, code, NOW) is None


def test_spaces_in_a_code_do_no_harm() -> None:
    code = pyotp.TOTP(SECRET).at(int(NOW))
    assert second_factor.step_of(SECRET, f" {code[:3]} {code[3:]}\n", NOW) == int(NOW) // 30


def test_a_code_counts_once() -> None:
    code = pyotp.TOTP(SECRET).at(int(NOW))
    after, kind = users.with_code_used(user(), code, NOW)
    assert (after is not None, kind) == (True, "totp")
    assert after is not None
    assert users.with_code_used(after, code, NOW) == (None, "totp_replayed")
    assert users.with_code_used(after, code, NOW + 30) == (None, "totp_replayed")


def test_an_older_code_is_not_taken_after_a_newer() -> None:
    older, newer = (pyotp.TOTP(SECRET).at(int(NOW) + late) for late in (-30, 0))
    after, _ = users.with_code_used(user(), newer, NOW)
    assert after is not None
    assert users.with_code_used(after, older, NOW) == (None, "totp_replayed")


def test_a_recovery_code_counts_once_however_it_is_typed() -> None:
    codes = second_factor.recovery_codes(random.Random(1).randbytes)
    assert len(set(codes)) == 10
    marks = tuple(second_factor.recovery_mark("alice", code) or "" for code in codes)
    typed = codes[3].lower().replace("-", " ").replace("o", "0").replace("i", "1").replace("b", "8")
    after, kind = users.with_code_used(user(recovery=marks), typed, NOW)
    assert kind == "recovery"
    assert after is not None
    assert len(after.recovery) == 9
    assert users.with_code_used(after, typed, NOW) == (None, "bad_code")


def test_a_recovery_code_of_another_is_none() -> None:
    code = second_factor.recovery_codes(random.Random(1).randbytes)[0]
    mark = second_factor.recovery_mark("bob", code) or ""
    assert users.with_code_used(user(recovery=(mark,)), code, NOW) == (None, "bad_code")


@pytest.mark.parametrize("code", ["", "AAAA", "A" * 17, "9999-9999-9999-9999", "\u00e4" * 16])
def test_what_is_no_recovery_code(code: str) -> None:
    assert second_factor.recovery_mark("alice", code) is None
    assert users.with_code_used(user(recovery=("x",)), code, NOW) == (None, "bad_code")


def test_the_uri_names_the_user_and_the_place() -> None:
    uri = second_factor.uri(SECRET, "alice", "hopmap example.org")
    assert uri.startswith("otpauth://totp/hopmap%20example.org:alice?secret=")


def test_a_user_comes_back_from_its_record() -> None:
    assert users.decode(users.encode(user(recovery=("a", "b")))) == user(recovery=("a", "b"))


@pytest.mark.parametrize("name", ["al", "alice", "a-b.c_9", "a" * 32])
def test_names(name: str) -> None:
    assert users.name_fault(name) is None
    assert users.folded(f" {name.upper()}\n") == name


@pytest.mark.parametrize("name", ["", "a", "1a", "a" * 33, "a b", "a/b", "\u00e4\u00e4", "a\n", "<b>", "-a"])
def test_names_that_nobody_can_have(name: str) -> None:
    assert users.name_fault(name)


def test_roles_include_those_before_them() -> None:
    may = {(role, needed): users.may(role, needed) for role in users.ROLES for needed in users.ROLES}
    assert [pair for pair, allowed in may.items() if not allowed] == [
        ("viewer", "operator"), ("viewer", "admin"), ("operator", "admin"),
    ]  # fmt: skip
    assert not users.may("", "viewer")
