"""What the fleet is told: versions, opt-outs as deltas, and caution with what others wrote."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire.control import Control, OptOut, OptOutDelta, decode_control, encode_control
from manager.fleet.core import orders as core
from manager.fleet.core.orders import Change, NotPossible, Orders, after, caution, changes_nothing, document, holds

A, B = OptOut("192.0.2.0/24", "asked", "2026-11-23"), OptOut("198.51.100.7")


def test_a_change_at_a_time() -> None:
    first = after(Orders(), Change(stop=True, pause=frozenset({"a1", "a2"})), 1)
    second = after(first, Change(resume=frozenset({"a1"}), rates={"packets_per_second": 2.0}), 2)
    third = after(second, Change(stop=False, agent_version="0.2.0"), 3)
    fourth = after(third, Change(agent_version=""), 9)
    with_file = after(third, Change(agent_version="0.3.0", agent_sha256="ab" * 32), 4)
    assert (document(with_file).agent_version, document(with_file).agent_sha256) == ("0.3.0", "ab" * 32)
    assert after(with_file, Change(agent_version=""), 5).agent_sha256 is None
    assert after(with_file, Change(stop=True), 5).agent_sha256 == "ab" * 32
    assert (first.stop, first.paused) == (True, {"a1", "a2"})
    assert (second.stop, second.paused, second.rates) == (True, {"a2"}, {"packets_per_second": 2.0})
    assert (third.stop, third.agent_version, third.rates) == (False, "0.2.0", second.rates)
    assert (fourth.version, fourth.agent_version) == (9, None)


def test_a_version_is_given_once() -> None:
    with pytest.raises(NotPossible, match="not newer"):
        after(Orders(version=5), Change(stop=True), 5)


def test_opt_outs_as_deltas() -> None:
    one = after(Orders(), Change(opt_out=(A,)), 1)
    two = after(one, Change(opt_out=(B, A)), 2)
    three = after(two, Change(opt_in=("192.0.2.0/24", "203.0.113.0/24")), 3)
    four = after(three, Change(opt_out=(A,), opt_in=("198.51.100.7",)), 4)
    listed = replace(B, prefix="198.51.100.7/32")
    assert document(two, 1).opt_outs == OptOutDelta(1, (listed,), ())
    assert document(three, 2).opt_outs == OptOutDelta(2, (), ("192.0.2.0/24",))
    assert document(three).opt_outs == OptOutDelta(0, (listed,), ("192.0.2.0/24",))
    assert document(four, 3).opt_outs == OptOutDelta(3, (A,), ("198.51.100.7/32",))
    assert four.opt_outs == [A]
    assert decode_control(encode_control(document(four))) == document(four)


@pytest.mark.parametrize(
    ("change", "nothing"),
    [
        (Change(), True),
        (Change(stop=True), True),
        (Change(stop=False), False),
        (Change(pause=frozenset({"a1"})), True),
        (Change(resume=frozenset({"a1"})), False),
        (Change(rates={}), True),
        (Change(opt_out=(A,)), True),
        (Change(opt_out=(B,)), False),
        (Change(opt_in=("192.0.2.0/24",)), False),
        (Change(opt_in=("203.0.113.0/24",)), True),
        (Change(agent_version=""), True),
    ],
)
def test_what_holds_already_needs_no_version(change: Change, nothing: bool) -> None:
    orders = after(Orders(), Change(stop=True, pause=frozenset({"a1"}), opt_out=(A,)), 1)
    assert changes_nothing(orders, change) == nothing


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_PAUSED", 2)
    monkeypatch.setattr(core, "MAX_OPT_OUTS", 2)
    with pytest.raises(NotPossible, match="stop all"):
        after(Orders(), Change(pause=frozenset({"a", "b", "c"})), 1)
    three = tuple(OptOut(f"192.0.2.{last}") for last in range(3))
    with pytest.raises(NotPossible, match="wider prefixes"):
        after(Orders(), Change(opt_out=three), 1)


@pytest.mark.parametrize("text", ["192.0.2.1/24", "192.0.2", "", "192.0.2.0/33", "::1"])
def test_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|address"):
        after(Orders(), Change(opt_in=(text,)), 1)


BEFORE = after(Orders(), Change(rates={"packets_per_second": 5.0}), 6)
OURS = after(Orders(), Change(stop=True, rates={"packets_per_second": 5.0}, opt_out=(A,)), 7)
GIVEN = {6: BEFORE, 7: OURS}


@pytest.mark.parametrize(
    ("change", "held", "foreign"),
    [
        (lambda found: found, True, False),
        (lambda found: replace(found, opt_outs=OptOutDelta(0, (A, B))), True, False),  # it has a file of its own too
        (lambda found: replace(found, opt_outs=OptOutDelta(0, (B,))), False, True),
        (lambda found: replace(found, stop=False), False, True),
        (lambda found: replace(found, rates={}), False, True),
        (lambda found: replace(found, paused=("a1",)), False, True),
        (lambda found: replace(found, agent_version="9"), False, True),
        (lambda found: replace(found, agent_sha256="cd" * 32), False, True),
        (lambda _: document(BEFORE), False, False),
        (lambda _: replace(document(BEFORE), stop=True), False, True),
        (lambda found: replace(found, version=5), False, True),
        (lambda _: Control(), False, False),
        (lambda found: replace(found, version=8), False, True),
    ],
)
def test_ours_older_and_foreign(change: Callable[[Control], Control], held: bool, foreign: bool) -> None:
    found = change(document(OURS))
    assert (holds(OURS, found), core.is_foreign(OURS, GIVEN.get(found.version), found)) == (held, foreign)


def test_claims_that_nobody_can_have_come_by() -> None:
    assert core.is_credible(OURS, replace(document(OURS), version=500_000))
    assert not core.is_credible(OURS, replace(document(OURS), version=2**53 - 1))


@pytest.mark.parametrize(
    ("ours", "theirs", "version", "wanted"),
    [
        ("1.2", "1.2", 9, "1.2"),
        ("1.2", "1.3", 9, None),
        ("1.2", None, 9, None),
        ("1.2", "1.3", 2, "1.2"),  # an older word than ours
        (None, "1.3", 9, None),
    ],
)
def test_a_version_of_the_agent_that_two_differ_in_is_not_wanted(
    ours: str | None, theirs: str | None, version: int, wanted: str | None
) -> None:
    orders = after(Orders(), Change(agent_version=ours), 5)
    change = caution(orders, Control(version=version, agent_version=theirs))
    assert after(orders, change, 10).agent_version == wanted


CONTROLS = st.builds(
    Control,
    version=st.integers(0, 20),
    stop=st.booleans(),
    paused=st.lists(st.sampled_from(["a1", "a2", "a3"]), unique=True).map(tuple),
    rates=st.dictionaries(st.sampled_from(core.RATES), st.floats(0, 10)),
    opt_outs=st.lists(st.sampled_from([A, B, OptOut("203.0.113.0/24")]), unique=True).map(
        lambda some: OptOutDelta(0, tuple(some))
    ),
)


@given(CONTROLS, CONTROLS)
def test_what_others_wrote_only_makes_us_probe_less(first: Control, second: Control) -> None:
    ours = after(Orders(), caution(Orders(), first), 30)
    then = after(ours, caution(ours, second), 31)
    assert then.stop == (first.stop or second.stop)
    assert then.paused == {*first.paused, *second.paused}
    for name in {*first.rates, *second.rates}:
        given = [found.rates[name] for found in (first, second) if name in found.rates]
        assert then.rates[name] == min(given)
    wanted = {core.canonical(one.prefix) for one in (*first.opt_outs.added, *second.opt_outs.added)}
    assert {one.prefix for one in then.opt_outs} == wanted
    assert holds(then, document(then))


@given(st.lists(st.tuples(st.sampled_from(["+", "-"]), st.integers(0, 5)), max_size=12), st.data())
def test_a_reader_that_follows_by_deltas_has_the_list(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    orders, kept, at = Orders(), set[str](), 0
    for version, (what, last) in enumerate(steps, 1):
        prefix = f"192.0.2.{last}/32"
        change = Change(opt_out=(OptOut(prefix),)) if what == "+" else Change(opt_in=(prefix,))
        orders = after(orders, change, version)
        if data.draw(st.booleans()):
            delta = document(orders, at).opt_outs
            kept = (kept | {one.prefix for one in delta.added}) - set(delta.removed)
            at = version
            assert kept == {one.prefix for one in orders.opt_outs}
