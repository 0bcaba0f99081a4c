"""Turns of polling, letters of alarms, and what is kept of nodes."""

import itertools
from dataclasses import replace
from random import Random

import pytest

from manager.fleet.core.letter import MOST_TOLD, TRIES, News, body, settled, subject, text, wait
from manager.fleet.core.node import Node, Unfit, decode, encode, read_kind, read_name, read_notes, read_tags, read_token
from manager.fleet.core.turns import Turns


def test_everybody_has_a_turn_a_minute_and_never_all_at_once() -> None:
    turns = Turns(Random(1).random)
    turns.follow([f"n{one}" for one in range(500)], 0.0)
    taken: dict[str, list[float]] = {}
    most, now = 0, 0.0
    while now < 600:
        found = turns.take(now, 100)
        most = max(most, len(found))
        for node in found:
            taken.setdefault(node, []).append(now)
        now += 0.5
    gaps = [later - earlier for times in taken.values() for earlier, later in itertools.pairwise(times)]
    assert len(taken) == 500
    assert 53.5 <= min(gaps) <= max(gaps) <= 66.5
    assert most <= 100


def test_who_leaves_and_who_is_asked_at_once() -> None:
    turns = Turns(lambda: 0.5, 60.0)
    assert (turns.wait(0.0), turns.take(0.0, 9)) == (1.0, [])
    turns.follow(["a", "b"], 0.0)
    assert turns.take(2.5, 1) == ["a"]
    turns.soon("a", 2.6)
    turns.soon("nobody", 2.6)
    turns.follow(["a"], 2.7)
    assert turns.take(3.0, 9) == ["a"]
    assert turns.take(62.9, 9) == []
    assert turns.wait(62.9) == pytest.approx(0.0, abs=0.2)
    assert turns.take(63.0, 9) == ["a"]  # once, though it had two turns in the queue


BAD = News("n1", "pi-1", "agent", "https://pi.example", "ok", "silent", 1_795_420_800.0, "It did not answer in time.")
WELL = News("n2", "in-1", "input", "http://in.example", "failing", "ok", 1_795_420_800.0, "")


def test_a_node_is_told_once_and_not_when_it_is_as_it_was() -> None:
    again = replace_news(BAD, before="silent", state="ok")
    worse = replace_news(BAD, before="lagging", state="failing")
    assert settled([BAD, again]) == []
    assert settled([replace_news(BAD, state="lagging"), worse, WELL]) == [replace_news(worse, before="ok"), WELL]


def replace_news(news: News, **fields: str) -> News:
    return news._replace(**fields)


def test_letters() -> None:
    assert subject([BAD]) == "hopmap: pi-1 is silent"
    assert subject([WELL]) == "hopmap: in-1 is well again"
    assert subject([BAD, BAD, WELL]) == "hopmap: 3 nodes changed: 2 silent, 1 well again"
    told = body([BAD, WELL], "https://m.example")
    assert (told["worse"], told["better"], told["url"]) == (1, 1, "https://m.example/fleet")
    assert told["nodes"][0]["since"] == "2026-11-23 08:00:00 UTC"
    assert text([BAD, WELL], "https://m.example").splitlines() == [
        "pi-1 (agent) is silent since 2026-11-23 08:00:00 UTC: It did not answer in time.",
        "in-1 (input) is well again since 2026-11-23 08:00:00 UTC.",
        "https://m.example/fleet",
    ]
    many = [BAD] * (MOST_TOLD + 7)
    assert "and 7 more" in text(many, "")
    assert len(body(many, "")["nodes"]) == MOST_TOLD


def test_tries() -> None:
    waits = [wait(tries) for tries in range(1, TRIES + 1)]
    assert waits == [10.0, 40.0, 160.0, 640.0, 2560.0, 3600.0, 3600.0, None]


NODE = Node("n-1", "https://pi.example", "agent", "agent-1", "pi-1", "attic", ("home",), watched=False, added="2026")


def test_a_record() -> None:
    assert decode(encode(NODE)) == NODE
    assert decode(encode(replace(NODE, tags=()))).tags == ()
    assert decode(encode(NODE)[:-1] + b', "of_a_later_build": 1}') == NODE


def test_what_control_pauses_a_node_by() -> None:
    assert replace(NODE, key="home").paused_as == "home"
    assert (NODE.paused_as, replace(NODE, instance="").paused_as) == ("agent-1", "pi-1")


def test_words_that_people_type() -> None:
    assert read_name(" pi-1 ") == "pi-1"
    assert read_tags("a, b  a,c") == ("a", "b", "c")
    assert read_tags("") == ()
    assert read_notes(" a\r\nb\tc ") == "a\nb\tc"
    assert read_token("") == ""
    assert read_token("0123456789abcdef") == "0123456789abcdef"
    assert read_kind("atlas") == "atlas"


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (read_name, ""), (read_name, "-x"), (read_name, "a b"), (read_name, "x" * 65), (read_name, "\u00e4"),
        (read_tags, "UP"), (read_tags, "-x"), (read_tags, " ".join("abcdefghijk")), (read_tags, "x" * 33),
        (read_notes, "\x00"), (read_notes, "x" * 2001), (read_token, "short"), (read_token, "x" * 257),
        (read_token, "a b c d e f g h i"), (read_token, "\u00e4" * 20), (read_kind, "lab"), (read_kind, ""),
    ],
)  # fmt: skip
def test_words_that_are_not_kept(read: object, wrong: str) -> None:
    with pytest.raises(Unfit):
        read(wrong)  # type: ignore[operator]
