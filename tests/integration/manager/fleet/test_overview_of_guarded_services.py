"""The overview over services that want tokens, as those of a fleet do."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manager.config import ManagerSettings
from manager.pages import overview
from manager.watch import Watch, steady_clock
from tests.faults.fault_parts import Input, Output, call, made

Run = Callable[[Any], Any]
TOKEN = "agent-token-of-the-test"


@pytest.fixture
def guarded(tmp_path: Path, run: Run) -> dict[str, Any]:
    """Settings that name an input and an output with one result, both of which want a token."""
    (tmp_path / "tokens").write_text(f"agent,admin {TOKEN}\nservice service-token-of-the-test\n")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "service-token").write_text("service-token-of-the-test\n")
    source = run(Input(tmp_path, f"--token-file={tmp_path}/tokens", "--seeds=none"))
    told = (f"--input-url={source.url}/hops", f"--input-token-file={tmp_path}/service-token")
    store = run(Output(tmp_path, f"--token-file={tmp_path}/tokens", *told))
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert call(store.url, "POST", "/results", [made(1)], bearer).status == 200
    return {"inputs": (source.url,), "outputs": (store.queries,)}


@pytest.fixture
def watch_with(guarded: dict[str, Any]) -> Iterator[Callable[..., Watch]]:
    watches: list[Watch] = []

    def make(**given: Any) -> Watch:
        watches.append(Watch(ManagerSettings(**guarded, **given), steady_clock()))
        watches[-1].round()
        return watches[-1]

    yield make
    for one in watches:
        one.close()


def test_numbers_and_routes_are_shown(tmp_path: Path, watch_with: Callable[..., Watch]) -> None:
    view = watch_with(service_token_file=f"{tmp_path}/token").view
    assert [one.state for one in view.services] == ["up", "up"]
    assert view.totals["results"] == 1
    assert "served" in view.totals
    assert [result.agent for result in view.newest] == ["loader"]


def test_without_a_token_it_is_said_what_is_missing(tmp_path: Path, watch_with: Callable[..., Watch]) -> None:
    (tmp_path / "wrong").write_text("no-token-of-anybody\n")
    for given in ({}, {"service_token_file": f"{tmp_path}/wrong"}):
        view = watch_with(**given).view
        assert [one.state for one in view.services] == ["unready", "unready"]
        for one in view.services:
            assert one.reading is not None
            assert "see service_token_file" in (one.reading.unready or "")
        assert "can't serve" in overview.headline(view)
