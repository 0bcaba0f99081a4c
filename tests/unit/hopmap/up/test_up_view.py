"""The terminal view: what stands on the screen."""

import io
from dataclasses import replace

from hopmap.up.numbers import Numbers, Rates, results
from hopmap.up.view import Screen, block, route, summary
from hopmap.wire.result import Hop, Ping, Result, Trace, encode_result

NAMES = {1: "AS3320", 2: "AS3320", 3: "AS16509"}


def as_name(address: int) -> str:
    return NAMES.get(address & 255, "")


def result(*, answered: bool = True, traced: bool = True) -> Result:
    hops = tuple(Hop(ttl, None if ttl == 4 else f"198.51.100.{ttl}", 1.0) for ttl in range(1, 5))
    return Result(
        id="agent-0:s:1",
        agent="agent-0",
        target="198.51.100.3",
        started="2026-11-23T08:00:00.000Z",
        ping=Ping("icmp", 1, 1, (12.34,)) if answered else Ping("icmp", 2, 0),
        trace=Trace("icmp", 1, reached=True, stop_reason="reached", probes=4, hops=hops) if traced else None,
    )


def test_a_route_in_a_line() -> None:
    assert route(result(), as_name) == "agent-0          198.51.100.3       12.3 ms   4 hops  AS3320 > AS16509"
    assert route(result(traced=False), as_name) == "agent-0          198.51.100.3       12.3 ms"
    assert route(result(answered=False, traced=False), as_name).endswith("no answer")
    further = replace(result(), ping=Ping("icmp", 0, 0))
    assert route(further, as_name) == "agent-0          198.51.100.3        flow 1   4 hops  AS3320 > AS16509"


def test_rates_are_over_the_last_seconds() -> None:
    rates = Rates()
    assert rates.per_second("served") == 0.0
    for at in range(40):
        rates.add(float(at), {"served": 0 if at < 30 else (at - 29) * 10})
    assert 6.0 < rates.per_second("served") < 7.0
    assert rates.per_second("unknown") == 0.0


def test_a_count_that_falls_is_no_negative_rate() -> None:
    rates = Rates()
    rates.add(0.0, {"served": 100})
    rates.add(1.0, {"served": 0})
    assert rates.per_second("served") == 0.0


def test_the_block_fits_the_terminal_and_leaves_out_what_is_not_known() -> None:
    rates = Rates()
    rates.add(0.0, {"served": 0})
    rates.add(2.0, {"served": 3000})
    lines = block(Numbers({"served": 3000}, [result()] * 9), rates, as_name, "http://127.0.0.1:8000/", (60, 24))
    assert all(len(line) < 60 for line in lines)
    assert any("targets served" in line and "3,000" in line and "1,500.0/s" in line for line in lines)
    assert not any("hops that became" in line for line in lines)
    assert sum("198.51.100.3" in line for line in lines) == 6


def test_an_empty_block_says_what_comes_next() -> None:
    assert any("no route yet" in line for line in block(Numbers({}), Rates(), as_name, "u", (80, 24)))


def test_a_low_terminal_gets_no_more_lines_than_can_be_drawn_over() -> None:
    lines = block(Numbers({}), Rates(), as_name, "u", (80, 24))
    assert len(lines) > 3
    assert block(Numbers({}), Rates(), as_name, "u", (80, 4)) == lines[:3]


def test_the_summary_is_one_line() -> None:
    assert summary(Numbers({"served": 3, "consumers": 2}), Rates()) == "targets served 3 (0.0/s), agents asking 2"
    assert summary(Numbers({}), Rates()) == "no numbers yet"


def test_on_a_terminal_the_block_is_drawn_over_itself() -> None:
    out = io.StringIO()
    screen = Screen(out, in_place=True)
    screen.show(0.0, ["a", "b"], "line")
    screen.show(1.0, ["c", "d"], "line")
    assert out.getvalue() == "a\nb\n\x1b[2F\x1b[Jc\nd\n"


def test_elsewhere_there_is_a_line_now_and_then() -> None:
    out = io.StringIO()
    screen = Screen(out, in_place=False)
    for at in range(11):
        screen.show(float(at), ["a"], f"at {at}")
    assert out.getvalue() == "at 0\nat 5\nat 10\n"


def test_what_is_said_stays() -> None:
    out = io.StringIO()
    screen = Screen(out, in_place=True)
    screen.show(0.0, ["a"], "")
    screen.say("ending ...")
    screen.show(1.0, ["b"], "")
    assert out.getvalue() == "a\nending ...\nb\n"


class Gone(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


def test_a_reader_who_left_is_noticed() -> None:
    screen = Screen(Gone(), in_place=False)
    screen.say("ready")
    assert screen.lost


def test_results_that_can_not_be_read_are_left_out() -> None:
    good = encode_result(result())
    assert [one.id for one in results({"results": [good, {"id": 1}, 7]})] == ["agent-0:s:1"]
    assert results(None) == []
    assert results([good]) == [result()]
