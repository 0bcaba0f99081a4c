"""What an agent does before it goes, and that it goes on where it does not go."""

from pathlib import Path

import pytest

from agents.install import drain
from agents.install.drain import drained
from agents.install.layout import Layout
from hopmap.errors import UserError
from tests.unit.agents.install.test_install import Listening

RESTARTED = [("systemctl", "daemon-reload"), ("systemctl", "restart", "hopmap-agent.service")]


class Spool:
    """Counts that are told one after the other, the last for ever; an error is raised."""

    def __init__(self, *told: int | UserError) -> None:
        self._told = list(told)

    def __call__(self) -> int:
        one = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        if isinstance(one, UserError):
            raise one
        return one


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_LOOK_SECONDS", 0.0)


def test_it_is_quiet_until_nothing_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout, system = Layout(tmp_path), Listening()
    with drained(layout, system, 10, Spool(7, 7, UserError("it is at work"), 3, 0)):
        assert "QUIET_HOURS=00:00-24:00" in layout.quiet.read_text()
        assert system.told == RESTARTED
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()] == ["7", "3", "0"]
    assert "it is at work" in said.err
    assert layout.quiet.exists()  # it is removed with all the rest


def test_it_goes_on_where_results_are_left(tmp_path: Path) -> None:
    layout, system = Layout(tmp_path), Listening()
    with pytest.raises(UserError, match="5 left"), drained(layout, system, 1e-9, Spool(5)):
        raise UserError("5 left")
    assert not layout.quiet.parent.exists()
    assert system.told == RESTARTED * 2


def test_it_goes_on_where_somebody_interrupts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(drain.time, "sleep", interrupt)
    layout, system = Layout(tmp_path), Listening()
    with pytest.raises(KeyboardInterrupt), drained(layout, system, 10, Spool(5)):
        pytest.fail("it was not handed in yet")
    assert not layout.quiet.parent.exists()
    assert system.told == RESTARTED * 2


def test_a_spool_that_can_not_be_counted_is_told_at_the_end(tmp_path: Path) -> None:
    layout, spool = Layout(tmp_path), Spool(UserError("unreadable"))
    with pytest.raises(UserError, match="unreadable"), drained(layout, Listening(), 1e-9, spool):
        pytest.fail("nobody knows what waits")
    assert not layout.quiet.parent.exists()


def test_where_it_can_not_be_told_nothing_is_begun(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    system = Listening()
    with pytest.raises(UserError, match=r"drain\.conf"), drained(Layout(tmp_path), system, 10, Spool(0)):
        pytest.fail("it goes on probing")
    assert not system.told
