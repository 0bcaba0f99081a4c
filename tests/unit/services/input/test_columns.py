"""Snapshots in columns: all comes back, what is intact of a damaged one too, and the schema before is read."""

from pathlib import Path
from typing import Any

import pytest

from hopmap import addresses
from hopmap.errors import UserError
from hopmap.wire import decode
from hopmap.wire.feedback import Feedback, HopReport
from services.input.core import columns, record
from services.input.core.frontier import Frontier, Limits, NewPrefix
from services.input.core.growth import Caps
from services.input.core.serving import draw
from services.input.state import State
from services.input.store import Store

NOW = 1_800_000_000
LIMITS = Limits(caps=Caps(10**9, 10**9, 10**9), cycle_seconds=50)
AT = "2026-01-01T00:00:00.000Z"


def rich() -> Frontier:
    where = Frontier("g-1", 7, LIMITS)
    for block in range(30):
        lineage = [HopReport(f"62.0.{block}.{host}", "a", "8.8.8.8", f"a:s:{host}") for host in range(1, 9)]
        where.learn(lineage, NOW + block)
        where.add_prefixes([NewPrefix(*addresses.prefix(f"62.0.{block + 20}.0/25"), "p", "r", lazy=bool(block & 1))])
    where.add_prefixes([NewPrefix(*addresses.prefix("63.0.0.0/26"))])
    told = [Feedback(f"62.0.{block}.1", "dead", "a", AT, ("62.0.9.1",)) for block in range(30)]
    where.judge([*told, Feedback("63.0.0.1", "dead", "a", AT)], NOW)
    for consumer in ("a", "b"):
        draw(where, consumer, 33, NOW + 60)
    return where


def whole(where: Frontier) -> list[bytes]:
    return [decode.dump(value) for value in record.records(where)]


def loaded(pieces: list[Any]) -> Frontier:
    made = Frontier("other", 99, LIMITS)
    loader = columns.Loader(made)
    for piece in pieces:
        loader.take(piece if isinstance(piece, bytes) else decode.parse(decode.dump(piece)))
    loader.settle()
    return made


@pytest.mark.parametrize("rows", [7, 1 << 16])
def test_everything_comes_back(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "ROWS", rows)
    where = rich()
    other = loaded(list(columns.pieces(where)))
    assert whole(other) == whole(where)
    assert other.hops == where.hops
    assert [other.known.place(one) for one in where.known.addresses] == list(range(len(where.known)))
    for consumer in ("a", "b", "newcomer"):
        for now in (NOW + 61, NOW + 200):
            assert draw(other, consumer, 1_000, now).targets == draw(where, consumer, 1_000, now).targets
    where.learn([HopReport("64.0.0.1")], NOW)
    other.learn([HopReport("64.0.0.1")], NOW)
    assert whole(other) == whole(where)


def test_blocks_are_the_same_on_machines_of_the_other_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    where = rich()
    here = list(columns.pieces(where))
    monkeypatch.setattr(columns.sys, "byteorder", "big" if columns.sys.byteorder == "little" else "little")
    there = list(columns.pieces(where))
    assert there != here
    assert whole(loaded(there)) == whole(where)


def test_what_is_written_is_the_state_at_the_call() -> None:
    where = rich()
    before = [piece if isinstance(piece, bytes) else decode.dump(piece) for piece in columns.pieces(where)]
    telling = columns.pieces(where)
    where.learn([HopReport(f"64.0.{block}.1", "new") for block in range(250)], NOW)
    where.judge([Feedback("62.0.0.1", "alive", "a", AT)], NOW)
    draw(where, "z", 5, NOW)
    assert [piece if isinstance(piece, bytes) else decode.dump(piece) for piece in telling] == before


def test_what_is_intact_of_a_damaged_snapshot_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "ROWS", 40)
    where = rich()
    pieces = list(columns.pieces(where))
    known = set(where.known.addresses)
    for lost, piece in enumerate(pieces):
        other = loaded(pieces[:lost] + pieces[lost + 1 :])
        gone = known - set(other.known.addresses)
        rows = isinstance(piece, bytes) and b'"block":"rows"' in piece[:40]
        assert len(gone) == (40 if rows else 0)
        assert draw(other, "a", 10, NOW + 200).targets


def test_a_block_of_columns_that_are_not_known_is_refused() -> None:
    head = b'\x01{"block":"rows","columns":[["weather","I",1]]}\n1234'
    with pytest.raises(decode.WireError, match="weather"):
        columns.Loader(Frontier("g", 1)).take(head)


def test_the_schema_before_is_taken_over_with_a_copy_kept(tmp_path: Path) -> None:
    store, where = Store(tmp_path), rich()
    store.write_snapshot(store.turn(), record.records(where))
    store.close()
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name.startswith(("snapshot", "log"))}
    for _ in range(2):
        state = State(tmp_path, LIMITS, 7, lambda: NOW)
        state.start()
        assert whole(state.frontier) == whole(where)
        state.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "schema-1").iterdir()} == old


def test_a_state_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), [{"record": "snapshot", "schema": columns.SCHEMA + 1}])
    store.close()
    with pytest.raises(UserError, match="newer"):
        State(tmp_path, LIMITS, 7, lambda: NOW)


def test_a_copy_that_can_not_be_kept_stops_the_start(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.turn()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot keep a copy"):
        store.keep_copy("file/deeper")
    store.close()
