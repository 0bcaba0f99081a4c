"""An input that came late, and one restored from an old export, soon know the same hops as the others."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .fault_parts import Input, Output, made, until

Run = Callable[..., Any]
WITHIN = 60.0


def learn(store: Output, first: int, last: int) -> None:
    """Results from two agents, so that no cap on one source is in the way: it is not what is tested here."""
    for start in range(first, last, 500):
        numbers = range(start, min(start + 500, last))
        batch = [made(number, agent=f"agent-{number % 2}", lane=number % 2) for number in numbers]
        assert store.post(batch).status == 200


def hops(source: Input) -> set[str]:
    return set(source.found())


def seconds_until_equal(one: Input, other: Input) -> float:
    began = time.monotonic()
    until(lambda: hops(one) == hops(other), "both inputs know the same hops", WITHIN)
    return time.monotonic() - began


def folder(path: Path, name: str) -> Path:
    made_here = path / name
    made_here.mkdir()
    return made_here


def test_late_and_restored(tmp_path: Path, run: Run) -> None:
    caps = "--hops-per-prefix=256"
    first = run(Input(folder(tmp_path, "first"), caps))
    store = run(Output(tmp_path, f"--input-url={first.url}"))
    learn(store, 1, 2_001)
    until(lambda: store.stats()["inputs"][0]["pending_hops"] == 0, "the first input is told")
    old_export = first.call("GET", "/export").body
    learn(store, 2_001, 6_001)
    until(lambda: store.stats()["inputs"][0]["pending_hops"] == 0, "the first input is told the rest")
    assert len(hops(first)) > 6_000

    # an hour later a second one comes: it is new to the output, which is started with it
    late = run(Input(folder(tmp_path, "late"), caps))
    assert store.end(signal.SIGTERM) == 0
    store.flags = (*store.flags, f"--input-url={late.url}")
    store.start()
    took_late = seconds_until_equal(first, late)

    # the first is restored from the old export, while the output stands still
    told = json.loads(first.call("POST", "/import?mode=replace", old_export).body)
    assert told["hops"] < len(hops(late)) / 2
    took_import = seconds_until_equal(first, late)

    # and it is put back on another machine, with an empty state and the export
    first.kill()
    for path in first.state.iterdir():
        path.unlink()
    first.start()
    first.json("POST", "/import", old_export)
    took_moved = seconds_until_equal(first, late)
    assert hops(first) == hops(late)
    assert store.stats()["inputs"][0]["pending_hops"] == 0
    sys.stdout.write(
        f"{len(hops(late))} hops known: by a late input after {took_late:.1f} s, by one restored in place after "
        f"{took_import:.1f} s, by one restored elsewhere after {took_moved:.1f} s\n"
    )
