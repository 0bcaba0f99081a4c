"""What managers say to each other, epochs, and the rules by which one leads."""

import json
from dataclasses import replace

import pytest

from manager.dyfi.core.moment import Moment
from manager.failover.core import epoch, watch
from manager.failover.core import word as words
from manager.failover.core.watch import Look, Memory, Reign, Rules, Standby
from manager.failover.core.word import NotGenuine, Word

KEY = b"k" * 32
WORD = Word("m1", 1, 33, leads=True, ready=True, at=1.8e9, asked=5.0, version="v")
HERE, THERE = "192.0.2.1", "192.0.2.2"
RULES = Rules("m0", 0)


def at(seconds: float) -> Moment:
    return Moment(1.8e9 + seconds, "boot", 1000.0 + seconds)


def test_a_word_comes_through_and_is_bound_to_its_question() -> None:
    said = words.said(KEY, words.ANSWER, "n", WORD)
    assert words.heard(KEY, words.ANSWER, said, "n") == ("n", WORD)
    assert words.heard(KEY, words.ANSWER, said) == ("n", WORD)
    for key, kind, nonce in ((b"x" * 32, words.ANSWER, "n"), (KEY, words.ASK, "n"), (KEY, words.ANSWER, "m")):
        with pytest.raises(NotGenuine):
            words.heard(key, kind, said, nonce)
    assert len(words.said(KEY, words.ASK, "n" * 32, WORD._replace(id="manager-0123456789abcdef"))) < words.LONGEST


@pytest.mark.parametrize("name", WORD._fields)
def test_no_part_of_a_word_can_be_changed(name: str) -> None:
    whole = json.loads(words.said(KEY, words.ASK, "n", WORD))
    whole["word"][name] = "other"
    with pytest.raises(NotGenuine):
        words.heard(KEY, words.ASK, json.dumps(whole).encode())
    del whole["word"][name]
    with pytest.raises(NotGenuine):
        words.heard(KEY, words.ASK, json.dumps(whole).encode())


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"nonce": 1, "word": [], "mac": 3}', b"[" * 9999])
def test_what_is_no_word(content: bytes) -> None:
    with pytest.raises(NotGenuine):
        words.heard(KEY, words.ASK, content)


def test_a_word_of_odd_values_is_none_though_it_was_said_with_the_key() -> None:
    odd = WORD._replace(epoch="33")  # type: ignore[arg-type] # on purpose
    with pytest.raises(NotGenuine):
        words.heard(KEY, words.ASK, words.said(KEY, words.ASK, "n", odd))


def test_no_two_managers_take_the_same_epoch_and_its_orders_are_above_all_before() -> None:
    assert [epoch.following(0, 0), epoch.following(16, 1), epoch.following(33, 0)] == [16, 33, 48]
    assert epoch.of_version(epoch.first_version(33) + 5) == 33
    assert epoch.overtakes(epoch.first_version(33), 16)
    assert not epoch.overtakes(epoch.first_version(33), 33)
    assert not epoch.overtakes(2**53 - 1, 16)  # no manager can have come so far


def test_a_leader_that_was_restarted_leads_on_while_nobody_can_have_followed() -> None:
    memory = Memory(16, 16, at(0))
    assert watch.resumes(memory, RULES, at(59))
    assert not watch.resumes(memory, RULES, at(60))
    assert not watch.resumes(replace(memory, epoch=33), RULES, at(1))
    assert not watch.resumes(Memory(), RULES, at(1))
    assert not watch.resumes(Memory(16, 16), RULES, at(1))


def test_four_looks_in_vain_and_a_wait() -> None:
    standby, memory, rules = Standby(), Memory(16), Rules("m1", 1)
    for number in range(4):
        assert standby.since is None
        standby, memory = watch.stood_by(standby, memory, Look(at(20 * number)), rules, 0.5)
    assert (standby.misses, standby.wait) == (4, 37.5)
    again, _ = watch.stood_by(standby, memory, Look(at(80)), rules, 0.9)
    assert (again.since, again.wait) == (standby.since, standby.wait)
    gone = Look(at(100), None, (THERE,), HERE, online=True)
    assert watch.obstacle(Standby(), memory, gone, may_ask=True) == "the leader has not been gone for long enough"
    assert watch.obstacle(standby, memory, gone._replace(at=at(90)), may_ask=True) == "others come first"
    assert "cut off" in watch.obstacle(standby, memory, gone._replace(online=False), may_ask=True)
    assert "cut off" in watch.obstacle(standby, memory, gone._replace(own=""), may_ask=True)
    assert "can't choose" in watch.obstacle(standby, memory, gone._replace(name=(HERE,)), may_ask=True)
    assert "ten minutes" in watch.obstacle(standby, memory, gone, may_ask=False)
    assert watch.obstacle(standby, memory, gone, may_ask=True) == ""
    mine = Memory(16, 16)
    assert watch.obstacle(standby, mine, gone._replace(name=(HERE,)), may_ask=False) == ""
    heard, memory = watch.stood_by(standby, memory, Look(at(100), WORD._replace(id="m0")), rules, 0.5)
    assert (heard.misses, heard.since, memory.epoch) == (0, None, 33)


@pytest.mark.parametrize("word", [{"leads": False}, {"ready": False}, {"id": "m0"}, {"epoch": 16}])
def test_who_is_no_leader(word: dict[str, object]) -> None:
    assert not watch.leads(WORD._replace(**word), Memory(17), RULES)  # type: ignore[arg-type] # of any field
    assert watch.leads(WORD, Memory(17), RULES)


def test_the_very_first_manager_waits_for_nobody() -> None:
    assert watch.needed(Memory(), Rules("m0", 0)) == 1
    assert watch.needed(Memory(), Rules("m1", 1)) == watch.needed(Memory(16), Rules("m0", 0)) == 4
    reign, memory = watch.taken_over(Memory(), RULES, at(0))
    assert (reign, memory) == (Reign(16, at(0)), Memory(16, 16, at(0)))


def test_a_leader_goes_on_while_it_sees_that_it_leads() -> None:
    reign, itself = Reign(16, at(0)), WORD._replace(id="m0", epoch=16)
    seen = Look(at(50), itself, (HERE,), HERE, online=True)
    assert watch.reigned(reign, seen, RULES) == (Reign(16, at(50)), "")
    assert watch.reigned(reign, seen._replace(heard=None), RULES)[0].confirmed == at(50)  # its router sends none back
    elsewhere = Look(at(50), None, (THERE,), HERE, online=True)
    assert watch.reigned(reign, elsewhere, RULES) == (reign, "")
    granted = replace(reign, granted=at(10))  # resolvers remember where the name was
    assert watch.reigned(granted, elsewhere, RULES)[0].confirmed == at(50)
    assert "can't see" in watch.reigned(reign, elsewhere._replace(at=at(60)), RULES)[1]
    assert "can't see" in watch.reigned(reign, seen._replace(at=at(60), online=False), RULES)[1]
    assert not watch.holds(reign, RULES, at(60))


def test_a_leader_that_hears_of_a_later_epoch_stops() -> None:
    reign = Reign(16, at(0))
    assert watch.reigned(reign, Look(at(1), WORD), RULES)[1] == "m1 leads in a later epoch"
    assert not watch.overtaken(reign, WORD._replace(leads=False))
    assert not watch.overtaken(reign, WORD._replace(epoch=1))


def test_who_moved_the_name() -> None:
    assert watch.moved((HERE,), (THERE,), "")
    assert not watch.moved((), (THERE,), "")
    assert not watch.moved((HERE,), (), "")
    assert not watch.moved((HERE,), (HERE,), "")
    assert not watch.moved((HERE,), (THERE,), THERE)
