"""What people see, at several widths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.reply import ECHO_REPLY, TIME_EXCEEDED, Reply
from agents.terminal import table
from agents.terminal.route import Route
from agents.terminal.stats import Stats
from hopmap.addresses import number
from hopmap.wire.result import Label

TARGET, ONE, OTHER = number("8.8.8.8"), number("8.1.1.1"), number("208.100.200.100")
NAMES = {TARGET: "AS15169 Google LLC", ONE: "AS1 A Network With Quite A Long Name Indeed, Incorporated"}


def name(address: int) -> str:
    return NAMES.get(address, "")


def a_route(flows: int = 1) -> Route:
    route = Route(TARGET, 30, flows)
    for ttl in (1, 2, 3):
        for _ in range(4):
            route.sent(ttl)
    route.answered(1, 0, Reply(ONE, 60, TIME_EXCEEDED, 0, TARGET, 1, 1, 1, 1, (Label(24015, 0, 1),)), 1.25)
    if flows > 1:
        route.answered(1, 1, Reply(OTHER, 60, TIME_EXCEEDED, 0, TARGET, 1, 1, 1), 2.5)
    route.missed(2)
    route.answered(3, 0, Reply(TARGET, 60, ECHO_REPLY, 0, TARGET, 1, 1, 1), 1234.5)
    route.missed(3)
    return route


def test_eighty_columns() -> None:
    lines = table.table(table.route_rows(a_route(), name), 80)
    assert [line.text for line in lines] == [
        "hop  address         network       loss  sent   last    avg   best  worst  stdev",
        "  1  8.1.1.1         AS1 A Netwo~    0%     4    1.2    1.2    1.2    1.2    0.0",
        "       MPLS 24015 (tc 0, ttl 1)",
        "  2  (silent)                      100%     4",
        "  3  8.8.8.8         AS15169 Goo~ 50.0%     4   1234   1234   1234   1234    0.0",
    ]
    assert [line.kind for line in lines] == [table.HEAD, table.PLAIN, table.SILENT, table.SILENT, table.DEAD]


def test_further_addresses_of_a_hop_stand_below_with_their_flows() -> None:
    lines = [line.text for line in table.table(table.route_rows(a_route(2), name), 120, flows=True)]
    assert lines[1].startswith("  1  8.1.1.1         0       AS1 A Network With Quite A Long")
    assert lines[3].startswith("     208.100.200.100 1     ")
    assert lines[3].endswith("       2.5    2.5    2.5    2.5    0.0")


def test_a_hop_that_is_asked_and_not_settled_shows_no_loss() -> None:
    route = Route(TARGET, 30, 1)
    route.sent(1)
    assert table.table(table.route_rows(route, name), 80)[1].text == "  1  (silent)                             1"


@given(width=st.integers(1, 200), flows=st.booleans())
def test_no_line_is_wider_than_the_screen(width: int, flows: bool) -> None:
    for line in table.table(table.route_rows(a_route(2), name), width, flows=flows):
        assert len(line.text) <= width


def test_a_pinged_host() -> None:
    stats = Stats()
    stats.sent = stats.lost = 3
    row = table.host_row(12, TARGET, "dns.example", stats)
    assert row.kind == table.DEAD
    lines = table.table([row], 80, label="  #")
    assert lines[0].text.startswith("  #  address")
    assert lines[1].text == " 12  8.8.8.8         dns.example  100%     3"


def test_a_router_that_loses_some_is_marked_less_than_a_target() -> None:
    route = a_route()
    route.missed(1)
    assert table.route_rows(route, name)[0].kind == table.LOSSY


@pytest.mark.parametrize(
    ("fraction", "shown"), [(0.0, "0%"), (1.0, "100%"), (0.5, "50.0%"), (0.0001, "0.1%"), (0.9999, "99.9%")]
)
def test_a_loss_is_never_rounded_to_all_or_nothing(fraction: float, shown: str) -> None:
    assert table.percent(fraction) == shown


def test_ranges_of_flows() -> None:
    assert table.ranges(set()) == ""
    assert table.ranges({3}) == "3"
    assert table.ranges({0, 1, 2, 5, 7, 8}) == "0-2,5,7-8"


def test_label_stacks() -> None:
    assert table.labels(()) == ""
    assert table.labels([Label(16, 0, 1), Label(17, 2, 254)]) == "MPLS 16 (tc 0, ttl 1), 17 (tc 2, ttl 254)"


def test_colours_say_what_kind_a_line_is() -> None:
    assert table.painted(table.Line("fine")) == "fine"
    assert table.painted(table.Line("gone", table.DEAD)) == "\033[31mgone\033[0m"
