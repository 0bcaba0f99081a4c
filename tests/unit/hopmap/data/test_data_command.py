"""`hopmap data` and `hopmap data lookup`, in process."""

import io
from datetime import date

import pytest

from hopmap.data import command, places
from hopmap.data.command import overview, run
from hopmap.errors import UserError


def test_overview_shows_age_and_licence() -> None:
    rows = [line.split() for line in overview(date(2026, 10, 15))]
    (cloud,) = [row for row in rows if row and row[0] == "cloud"]
    assert date.fromisoformat(cloud[1]) > date(2026, 1, 1)
    assert cloud[2:4] == [str((date(2026, 10, 15) - date.fromisoformat(cloud[1])).days), "days"]
    assert {row[0] for row in rows if row} >= {"cloud", "asn", "country", "places", "special"}


def test_lookup_tells_every_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("100.64.0.1\n"))
    assert run(["lookup", "8.8.8.8", "-"]) == 0
    shown = capsys.readouterr().out
    assert "AS15169 Google LLC" in shown
    assert "US United States" in shown
    assert "100.64.0.1\n  special use  shared address space of carriers, 100.64.0.0/10 (RFC 6598)" in shown


def test_no_action_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "DB-IP" in capsys.readouterr().out


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(UserError, match=r"'8\.8\.8' is not an IPv4 address"):
        run(["lookup", "8.8.8"])


@pytest.mark.parametrize("wrong", [["nosuch"], ["lookup"], ["fetch", "--into"], ["look", "8.8.8.8"]])
def test_a_wrong_call_is_told_in_one_line(wrong: list[str]) -> None:
    with pytest.raises(UserError, match=r"--help' shows what it takes$"):
        run(wrong)


def test_empty_lines_are_passed_over_and_a_wrong_one_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("8.8.8.8\n\n 1.1.1.1\n\n"))
    assert run(["lookup", "-"]) == 0
    assert capsys.readouterr().out.count("origin AS") == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("8.8.8.8\n\n1.1.1\n"))
    with pytest.raises(UserError, match=r"^line 3: '1\.1\.1' is not an IPv4 address"):
        run(["lookup", "-"])


def test_a_missing_table_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "FILE", "none.tsv")
    with pytest.raises(UserError, match="install hopmap again"):
        run(["lookup", "8.8.8.8"])


def test_names_from_outside_cannot_drive_the_terminal() -> None:
    assert command.printable("AS\x1b[2J name") == "AS?[2J name"


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(["--help"])
    assert end.value.code == 0
    assert "hopmap data lookup 8.8.8.8" in capsys.readouterr().out
