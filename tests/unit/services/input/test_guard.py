"""What is never served."""

from hopmap import addresses
from hopmap.wire.control import OptOut
from services.input.core import guard as guards
from services.input.core.guard import Guard


def number(text: str) -> int:
    return addresses.number(text)


def test_special_purpose_addresses_have_a_reason_that_the_wire_takes() -> None:
    guard = Guard()
    assert guard.refusal(number("10.0.0.1")) == "private"
    assert guard.refusal(number("224.0.0.1")) == "multicast"
    assert guard.refusal(number("192.88.99.1")) == "relay-6to4"
    assert guard.refusal(number("8.8.8.8")) is None


def test_opt_outs_of_both_kinds_apply_and_go() -> None:
    guard = Guard()
    guard.change([OptOut("62.0.0.0/24")], (), 1)
    guard.file([OptOut("63.0.0.0/8"), OptOut("64.0.0.1")])
    assert [guard.refusal(number(one)) for one in ("62.0.0.1", "63.9.9.9", "64.0.0.1", "64.0.0.2")] == [
        "opt-out",
        "opt-out",
        "opt-out",
        None,
    ]
    assert len(guard) == 3
    assert guard.opted_out(number("62.0.0.1"))
    guard.change((), ["62.0.0.0/24", "9.0.0.0/8"], 2)
    guard.file(())
    assert guard.refusal(number("62.0.0.1")) is guard.refusal(number("63.9.9.9")) is None


def test_refuses_all_of_a_prefix() -> None:
    guard = Guard()
    guard.change([OptOut("62.0.0.0/16")], (), 1)
    assert guard.refuses_all(*addresses.prefix("62.0.3.0/24"))
    assert guard.refuses_all(*addresses.prefix("10.3.0.0/16"))
    assert not guard.refuses_all(*addresses.prefix("62.0.0.0/15"))


def test_the_delta_tells_what_changed_since() -> None:
    guard = Guard()
    guard.change([OptOut("62.0.0.0/24", "asked", "2026-01-01"), OptOut("63.0.0.0/24")], (), 3)
    guard.change([OptOut("64.0.0.0/24")], ["63.0.0.0/24"], 4)
    whole, since = guard.delta(0), guard.delta(3)
    assert [one.prefix for one in whole.added] == ["62.0.0.0/24", "64.0.0.0/24"]
    assert whole.removed == ()
    assert [one.prefix for one in since.added] == ["64.0.0.0/24"]
    assert since.removed == ("63.0.0.0/24",)
    assert guard.delta(4).added == guard.delta(4).removed == ()


def test_what_the_file_lists_is_always_told_and_never_as_removed() -> None:
    guard = Guard()
    guard.change([OptOut("62.0.0.0/24")], (), 1)
    guard.file([OptOut("62.0.0.0/24", "file")])
    guard.change((), ["62.0.0.0/24"], 2)
    assert guard.delta(1) == guard.delta(1).__class__(1, (OptOut("62.0.0.0/24", "file"),), ())
    assert guard.filed() == (OptOut("62.0.0.0/24", "file"),)
    assert list(guard.removals()) == [("62.0.0.0/24", 2)]


def test_room_is_bounded() -> None:
    guard, saved = Guard(), guards.MOST_OPT_OUTS
    guards.MOST_OPT_OUTS = 1
    try:
        assert guard.room_for([OptOut("62.0.0.0/24")])
        assert not guard.room_for([OptOut("62.0.0.0/24"), OptOut("63.0.0.0/24")])
    finally:
        guards.MOST_OPT_OUTS = saved
