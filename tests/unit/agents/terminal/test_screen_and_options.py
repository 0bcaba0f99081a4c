"""Terminals and pipes, and what is refused before anything is sent."""

import argparse
import io
import socket
from typing import Any

import pytest

from agents.probe.guard import Guard
from agents.terminal import options, screen
from agents.terminal.options import Target
from agents.terminal.screen import Screen, fitting
from agents.terminal.table import DEAD, Line
from hopmap.addresses import number
from hopmap.data.packed import DataError
from hopmap.errors import UserError

LINES = [Line("title"), Line("gone", DEAD)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Nowhere:
    """A namespace without routes or devices."""

    def routes(self) -> list[Any]:
        return []

    def driver(self, device: str) -> str | None:
        return None


def shown(out: io.StringIO, environ: dict[str, str], live: bool = True) -> Screen:
    return Screen(out, environ, live=live, clock=lambda: 1.0)


def test_a_pipe_gets_the_report_alone_and_no_escapes() -> None:
    out = io.StringIO()
    with shown(out, {"TERM": "xterm"}) as one:
        one.show(lambda width: LINES)
    one.report(lambda width: LINES)
    assert out.getvalue() == "title\ngone\n"


def test_a_terminal_is_drawn_upon_and_left_as_it_was() -> None:
    out = Terminal()
    with shown(out, {"TERM": "xterm"}) as one:
        one.show(lambda width: LINES)
        one.show(lambda width: LINES)  # too soon
    drawn = out.getvalue()
    assert drawn.startswith("\033[?1049h\033[?25l\033[Htitle\033[K\r\n\033[31mgone\033[0m\033[K\033[J")
    assert drawn.count("title") == 1
    assert drawn.endswith("\033[?25h\033[?1049l")
    one.report(lambda width: LINES)
    assert out.getvalue().endswith("title\n\033[31mgone\033[0m\n")


def test_no_color_is_respected() -> None:
    out = Terminal()
    shown(out, {"TERM": "xterm", "NO_COLOR": "1"}, live=False).report(lambda width: LINES)
    assert out.getvalue() == "title\ngone\n"


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}])
def test_a_terminal_that_can_not_is_a_pipe(environ: dict[str, str]) -> None:
    out = Terminal()
    with shown(out, environ) as one:
        one.show(lambda width: LINES)
    assert out.getvalue() == ""


def test_the_end_of_a_long_table_stays_in_sight() -> None:
    lines = [Line(str(count)) for count in range(10)]
    assert fitting(lines, 10) == lines
    assert [line.text for line in fitting(lines, 6)] == ["0", "1", "  ... 5 lines do not fit here", "7", "8", "9"]
    assert [line.text for line in fitting(lines, 1)] == ["0"]


def given(**values: Any) -> argparse.Namespace:
    usual = {"count": None, "interval": 1.0, "report": False, "once": False, "json": False}
    return argparse.Namespace(**(usual | values))


def test_how_many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    assert options.rounds_of(given()) == (None, 1.0, True)
    assert options.rounds_of(given(count=3, interval=0.5)) == (3, 0.5, True)
    assert options.rounds_of(given(report=True)) == (10, 1.0, False)
    assert options.rounds_of(given(once=True)) == (1, 1.0, False)
    assert options.rounds_of(given(json=True, count=2)) == (2, 1.0, False)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert options.rounds_of(given()) == (10, 1.0, False)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"interval": 0.1}, {"interval": 9999.0}, {"interval": float("nan")}])
def test_impossible_and_impolite_rounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="must be from"):
        options.rounds_of(given(**wrong))


def test_names_are_resolved_to_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolver(host: str, *rest: object) -> list[Any]:
        asked.append((host, *rest))
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("8.8.8.8", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert options.resolve("dns.example") == Target("dns.example", number("8.8.8.8"))
    assert options.resolve("dns.example").title == "dns.example (8.8.8.8)"
    assert options.resolve("8.8.4.4").title == "8.8.4.4"
    assert [one[2] for one in asked] == [socket.AF_INET] * 2


def test_what_is_no_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolver(*_: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    with pytest.raises(UserError, match=r"no IPv4 address is known for 'nosuch\.example'.*check the name"):
        options.resolve("nosuch.example")
    with pytest.raises(UserError, match="not an IPv4 address"):
        options.resolve("010.1.1")


def test_the_guard_says_why_and_what_to_do() -> None:
    guard = Guard("", Nowhere())
    assert "--contact mailto:" in options.why_not(Target("8.8.8.8", number("8.8.8.8")), guard)
    assert "special-purpose" in options.why_not(Target("x", number("192.168.1.1")), guard)


def test_without_a_contact_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOPMAP_LAB_SOCKET", raising=False)
    monkeypatch.setattr(options, "LiveNamespace", Nowhere)
    settings = options.settings_of(argparse.Namespace(config=None))
    with pytest.raises(UserError, match="say who you are"):
        options.way(settings, [Target("8.8.8.8", number("8.8.8.8"))])
    assert options.way(settings, [Target("localhost", number("127.0.0.1"))]).lab is None


def test_names_of_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    show, lookup, source = options.network_names()
    assert show(number("8.8.8.8")).startswith("AS15169 ")
    assert show(number("192.168.1.1")) == ""
    assert "db-ip.com" in source
    assert lookup(number("192.168.1.1")) is None

    def missing() -> None:
        raise DataError("not here")

    monkeypatch.setattr(options.asn, "load", missing)
    show, lookup, source = options.network_names()
    assert (show(1), lookup(1)) == ("", None)
    assert "without the table" in source


def test_here_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    screen.here(lambda: 0.0, live=True).report(lambda width: LINES)
    assert capsys.readouterr().out == "title\ngone\n"
