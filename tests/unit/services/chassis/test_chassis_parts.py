"""Tokens and scopes, bounded bodies, where a service may listen."""

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.errors import UserError
from services.chassis import auth, body, listen
from services.chassis.problem import Problem

AGENT, OTHER_AGENT, ADMIN = "agent-token-0123456789", "agent-token-9876543210", "admin-token-0123456789"


@pytest.fixture
def tokens(tmp_path: Path) -> auth.Tokens:
    path = tmp_path / "tokens"
    path.write_text(f"# kept by hand\nagent {AGENT}\nagent {OTHER_AGENT}  # the next one\n\nservice,admin {ADMIN}\n")
    return auth.read_tokens(path)


def refused(tokens: auth.Tokens, authorization: str, scope: str) -> int:
    with pytest.raises(Problem) as caught:
        tokens.check(authorization, scope)
    return caught.value.status


def test_scopes(tokens: auth.Tokens) -> None:
    for token in (AGENT, OTHER_AGENT):
        tokens.check(f"Bearer {token}", "agent")
        tokens.check(f"bearer  {token}", auth.ANY)
        assert refused(tokens, f"Bearer {token}", "service") == 403
        assert refused(tokens, f"Bearer {token}", "admin") == 403
    tokens.check(f"Bearer {ADMIN}", "admin")
    tokens.check(f"Bearer {ADMIN}", "service")
    assert refused(tokens, f"Bearer {ADMIN}", "agent") == 403
    tokens.check("", auth.OPEN)
    for wrong in ("", "Bearer", "Bearer x", f"Basic {AGENT}", f"Bearer {AGENT}x", "Bearer \ud800"):
        assert refused(tokens, wrong, auth.ANY) == 401


def test_without_tokens_every_call_passes() -> None:
    auth.Tokens().check("", "admin")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agent", ":1: must be SCOPE TOKEN"),
        ("\nroot 0123456789abcdef", ":2: unknown scope; known are agent, service, admin"),
        ("agent short", ":1: the token is shorter than 16 characters"),
        ("# nothing\n", " holds no token: add a line such as 'agent TOKEN'"),
        ("agent 0123456789abcdef\n" * 65, " holds 65 tokens, 64 are allowed"),
    ],
)
def test_a_token_file_that_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        auth.read_tokens(path)
    assert str(caught.value) == f"{path}{said}"
    assert "short" not in str(caught.value).replace("shorter", "")


def test_a_missing_token_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the token file .*none: No such file or directory$"):
        auth.read_tokens(tmp_path / "none")


@given(st.binary(max_size=2_000))
def test_what_was_packed_is_unpacked(content: bytes) -> None:
    assert body.gunzip(gzip.compress(content), 2_000) == content


@given(st.binary(max_size=200))
def test_no_bytes_make_unpacking_fail_otherwise(packed: bytes) -> None:
    try:
        unpacked = body.gunzip(packed, 100)
    except Problem as problem:
        unpacked = b""
        refusal = problem.status
    else:
        refusal = 0
    assert refusal in {0, 400, 413}
    assert len(unpacked) <= 100


def test_a_bomb_is_never_unpacked_whole() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join([*(bomb.compress(bytes(1 << 20)) for _ in range(64)), bomb.flush()])
    with pytest.raises(Problem) as caught:
        body.gunzip(packed, 1 << 20)
    assert (caught.value.status, caught.value.code) == (413, "too_large")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda packed: packed[:-4], "ends too early"),
        (lambda packed: packed + b"more", "something behind its end"),
        (lambda packed: b"\x1f\x8c" + packed[2:], "is not gzip"),
        (lambda packed: packed[:-8] + b"\0" * 8, "is not gzip"),
        (lambda packed: b"", "ends too early"),
    ],
)
def test_damaged_gzip_is_told(spoil: object, said: str) -> None:
    with pytest.raises(Problem, match=said) as caught:
        body.gunzip(spoil(gzip.compress(b"some content")), 1_000)  # type: ignore[operator] # a lambda of the table
    assert caught.value.status == 400


def test_where_a_service_listens() -> None:
    assert [str(one) for one in listen.addresses("127.0.0.1", 80, "/run/x.sock")] == [
        "http://127.0.0.1:80",
        "unix:///run/x.sock",
    ]
    assert [str(one) for one in listen.addresses("127.0.0.1", 0, "/run/x.sock")] == ["unix:///run/x.sock"]
    with pytest.raises(UserError, match="nowhere to listen: give --port or --unix"):
        listen.addresses("127.0.0.1", 0, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", "localhost.example.org"])
def test_no_service_is_exposed_without_tokens(host: str) -> None:
    where = listen.addresses(host, 80, "")
    with pytest.raises(UserError, match="can be reached by others: give --token-file FILE, or say --no-auth"):
        listen.check_exposure(where, has_tokens=False, no_auth=False)
    listen.check_exposure(where, has_tokens=True, no_auth=False)
    listen.check_exposure(where, has_tokens=False, no_auth=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_tokens(host: str) -> None:
    listen.check_exposure(listen.addresses(host, 80, "/run/x.sock"), has_tokens=False, no_auth=False)
