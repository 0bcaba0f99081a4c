"""Orders and opt-outs: what control says is obeyed, whatever order and place it comes from."""

import pytest

from agents.core.optouts import OptOuts, read_prefixes
from agents.core.orders import SILENCE, Orders, Rates
from hopmap.addresses import number
from hopmap.wire.control import Control, OptOut, OptOutDelta

ORDINARY = number("8.8.8.8")


def orders(own: OptOuts | None = None) -> Orders:
    return Orders(frozenset({"agent-1", "agent-00ff"}), own or OptOuts())


def delta(since: int, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> OptOutDelta:
    return OptOutDelta(since, tuple(OptOut(prefix) for prefix in added), removed)


def test_nothing_is_halted_before_control_says_so() -> None:
    found = orders()
    assert found.halted is None
    assert found.rates(Rates(50, 0.1, 1)) == Rates(50, 0.1, 1)
    assert found.version == 0


def test_stop_and_pause_by_either_name() -> None:
    found = orders()
    found.apply(Control(version=1, stop=True), 0)
    assert found.halted == "stopped"
    found.apply(Control(version=2, paused=("agent-00ff",)), 0)
    assert found.halted == "paused"
    found.apply(Control(version=3, paused=("agent-2",)), 0)
    assert found.halted is None
    assert found.version == 3


def test_rates_only_ever_lower_ours() -> None:
    found, lifted = orders(), float("inf")
    found.apply(Control(version=1, rates={"packets_per_second": 10.0, "per_router_per_second": 0.5}), 0)
    assert found.rates(Rates(50, 0.1, 1.0)) == Rates(10, 0.1, 0.5)
    assert found.rates(Rates(5, 0.1, 0.1)) == Rates(5, 0.1, 0.1)
    assert found.rates(Rates(5, lifted, lifted)) == Rates(5, lifted, 0.5)


@pytest.mark.parametrize("key", Rates._fields)
def test_a_rate_of_nothing_is_a_pause(key: str) -> None:
    found = orders()
    found.apply(Control(version=1, rates={key: 0.0}), 0)
    assert found.halted == "paused"


def test_in_touch_for_a_while_after_each_word() -> None:
    found = orders()
    assert not found.in_touch(0)
    found.heard(100)
    assert found.in_touch(100 + SILENCE)
    assert not found.in_touch(100.1 + SILENCE)


def test_an_older_document_counts_only_from_the_place_of_the_present_one() -> None:
    found = orders()
    found.apply(Control(version=5, stop=True), 0)
    assert found.apply(Control(version=4), 1)
    assert found.halted == "stopped"
    found.apply(Control(version=1), 0)
    assert found.halted is None


def test_opt_outs_follow_deltas() -> None:
    found = orders()
    assert found.apply(Control(version=1, opt_outs=delta(0, ("8.8.8.0/24", "9.9.9.9"))), 0)
    assert found.opt_outs_version == 1
    assert found.refusal(ORDINARY) == "opted_out"
    assert found.opt_outs == 2
    assert found.apply(Control(version=3, opt_outs=delta(1, ("1.1.1.1",), ("8.8.8.0/24",))), 0)
    assert found.refusal(ORDINARY) is None
    assert found.refusal(number("1.1.1.1")) == "opted_out"
    assert found.opt_outs_version == 3


@pytest.mark.parametrize(("version", "since", "place"), [(9, 5, 0), (3, 2, 1), (1, 1, 0)])
def test_a_delta_that_does_not_follow_asks_for_all_but_adds_at_once(version: int, since: int, place: int) -> None:
    """Too new a delta, another place, or a place that began anew."""
    found = orders()
    found.apply(Control(version=2, opt_outs=delta(0, ("9.9.9.9",))), 0)
    assert not found.apply(Control(version=version, opt_outs=delta(since, ("8.8.8.8",), ("9.9.9.9",))), place)
    assert found.opt_outs_version == 0
    assert found.refusal(ORDINARY) == "opted_out"
    assert found.refusal(number("9.9.9.9")) == "opted_out"
    assert found.apply(Control(version=version, opt_outs=delta(0, ("7.7.7.7",))), place)
    assert found.refusal(ORDINARY) is None


def test_own_opt_outs_are_never_taken_away() -> None:
    found = orders(OptOuts(["8.8.8.0/24"]))
    found.apply(Control(version=1, opt_outs=delta(0, ("8.8.8.0/24",))), 0)
    found.apply(Control(version=2, opt_outs=delta(1, (), ("8.8.8.0/24",))), 0)
    assert found.refusal(ORDINARY) == "opted_out"


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "224.0.0.1", "192.0.2.1", "255.255.255.255"])
def test_special_purpose_addresses_are_refused(address: str) -> None:
    assert orders().refusal(number(address)) == "special"


def test_opt_outs_hold_prefixes_of_any_length() -> None:
    found = OptOuts(["0.0.0.0/0"])
    assert found.hold(ORDINARY)
    found.remove("0.0.0.0/0")
    assert not found.hold(ORDINARY)
    found.remove("1.2.3.0/24")
    found.add("1.2.3.0/24")
    found.add("1.2.4.0/24")
    found.remove("1.2.3.0/24")
    assert len(found) == 1
    with pytest.raises(ValueError, match="host bits"):
        found.add("1.2.3.4/24")


def test_a_file_of_prefixes() -> None:
    lines = ["# ours", "", " 1.2.3.0/24  # asked", "4.4.4.4", "62.0.0.0/24  owner asked by mail  2026-11-02"]
    assert read_prefixes(lines) == ["1.2.3.0/24", "4.4.4.4", "62.0.0.0/24"]
    with pytest.raises(ValueError, match="line 2: "):
        read_prefixes(["1.2.3.0/24", "example.org"])
