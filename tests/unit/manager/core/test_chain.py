"""The audit chain: every line genuine and in its place, or the first that is not is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.core import chain
from manager.core.chain import Broken, Head

KEY = b"k" * 32


def lines(count: int, key: bytes = KEY) -> list[bytes]:
    head, made = Head(), []
    for number in range(count):
        line, head = chain.entry(key, head, {"by": "alice", "did": f"thing {number}"})
        made.append(line)
    return made


def end(found: list[bytes], key: bytes = KEY) -> Head:
    return [Head(), *(head for _, head in chain.follow(key, found))][-1]


def test_genuine_lines_are_followed_to_the_end() -> None:
    assert end(lines(4)).count == 4
    assert end([]) == Head()
    assert [body["did"] for body, _ in chain.follow(KEY, lines(2))] == ["thing 0", "thing 1"]


def test_following_can_go_on_from_where_it_ended() -> None:
    made = lines(4)
    head = end(made[:2])
    assert [one.count for _, one in chain.follow(KEY, made[2:], head)] == [3, 4]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_line_taken_out_is_noticed(gone: int) -> None:
    made = lines(4)
    with pytest.raises(Broken, match=f"line {gone + 1} was changed, or the one before"):
        end(made[:gone] + made[gone + 1 :])


def test_lines_swapped_are_noticed() -> None:
    made = lines(3)
    with pytest.raises(Broken):
        end([made[0], made[2], made[1]])


def test_who_has_no_key_can_write_none() -> None:
    with pytest.raises(Broken, match="line 1"):
        end(lines(2, b"x" * 32))


@given(place=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_nothing(place: int, flip: int) -> None:
    made = lines(3)
    line = made[1]
    place %= len(line)
    damaged = line[:place] + bytes([line[place] ^ flip]) + line[place + 1 :]
    try:
        same = json.loads(damaged) == json.loads(line)  # white space
    except ValueError:
        same = False
    if not same:
        with pytest.raises(Broken, match="line 2"):
            end([made[0], damaged, made[2]])


@pytest.mark.parametrize("line", [b"", b"\n", b"[]", b"1", b"{}", b'{"mac": 1}', b"[" * 5000, b'{"mac": "\xc3"}'])
def test_what_is_no_entry_is_refused(line: bytes) -> None:
    with pytest.raises(Broken):
        end([line])


def test_a_line_is_bounded_and_one_line_whatever_is_told() -> None:
    told = dict.fromkeys(("at", "by", "did", "user", "role"), "\n\x00\U0001f600" * 500)
    line, _ = chain.entry(KEY, Head(), told)
    assert len(line) < chain.LONGEST_LINE
    assert line.count(b"\n") == 1
    assert line.isascii()
