"""Parts of this and of the next schema version together, and documents of old agents: nothing is set aside."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .fault_parts import ROOT, Agent, Input, Lab, Output, call, lab_targets, until

NEWER = (str(ROOT / "tests/faults/newer_hopmap.py"),)
OLD = {
    "id": "old:s:1",
    "agent": "old",
    "schema": 1,
    "target": "8.8.8.8",
    "started": "2026-01-01T00:00:00.000Z",
    "ping": {"protocol": "icmp", "sent": 1, "received": 0},
}


@pytest.mark.parametrize("newer", ["services", "agent", "input", "output"])
def test_crossed(tmp_path: Path, run: Callable[..., Any], newer: str) -> None:
    (tmp_path / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(100)))
    source = Input(tmp_path, f"--seeds={tmp_path}/seeds", "--cycle-seconds=3600")
    store = Output(tmp_path, f"--input-url={source.url}")
    agent = Agent(tmp_path, run(Lab(tmp_path)), input_file=source.url, output_file=store.url, packets_per_second=4_000)
    document = {"schema": 1, "version": 1, "rates": {"default": 900}, "opt_outs": {"added": ["203.0.113.0/24"]}}
    for part in (source, store, agent):
        if part.name.startswith(newer) or (newer == "services" and part is not agent):
            part.program = NEWER
        run(part)
        if part is source:
            source.json("PUT", "/control", document | {"schema": 2, "news": {"a": 1}})
    until(lambda: agent.statistics()["control_version"] == 1, "the agent has heard")
    until(lambda: agent.statistics()["results"]["delivered"] >= 100, "the targets are measured")
    until(lambda: source.json("GET", "/status")["hops"] > 20, "hops come back")
    told, stats = agent.statistics()["results"], store.stats()
    sys.stdout.write(f"newer {newer}: {told}\n")
    assert (told["refused"], told["lost"], told["dropped"]) == (0, 0, 0)
    assert stats["results"] >= told["delivered"]
    assert stats["inputs"][0]["skipped"] == 0
    assert not (Path(str(agent.keys["state_dir"])) / "refused.ndjson").exists()
    schemas = {result["schema"] for result in store.stored()}
    assert schemas == ({2} if newer == "agent" else {1})
    assert source.json("GET", "/status")["outcomes"]["alive"] > 0
    assert [part.end() for part in (agent, store, source)] == [0, 0, 0]


def test_a_state_goes_forward_to_the_next_version(tmp_path: Path, run: Callable[..., Any]) -> None:
    source, store = Input(tmp_path), Output(tmp_path, "--input-url=unix:///nowhere/i.sock")
    for part in (source, store):
        run(part)
    source.json("POST", "/hops", {"hops": ["77.0.0.1"]})
    source.json("PUT", "/control", {"schema": 1, "version": 4, "paused": ["slow"]})
    assert json.loads(store.post([OLD]).body)["accepted"] == 1
    export = source.call("GET", "/export").body
    for part in (source, store):
        assert part.end() == 0
        part.program = NEWER
        part.start()
    assert source.found() == ["77.0.0.1"]
    assert source.json("GET", "/control")["version"] == 4
    assert json.loads(store.post([OLD]).body)["duplicate"] == 1
    source.json("POST", "/import?mode=replace", export)
    assert source.found() == ["77.0.0.1"]


def test_what_an_old_agent_leaves_out(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Only what the contract requires, and every optional field left out one by one."""
    store = run(Output(tmp_path, "--input-url=unix:///nowhere/i.sock"))
    whole = json.loads((ROOT / "tests/golden/result.json").read_text())
    optional = [(), *[("trace", "hops", key) for key in ("rtt_ms", "quoted_ttl", "icmp_type", "icmp_code", "mpls")]]
    optional += [("trace", "hops", key) for key in ("late", "duplicates", "redacted")]
    optional += [("clock",), ("trace",), ("ping", "reply_ttl"), ("ping", "rtts_ms"), ("clock", "offset_ms")]
    documents = [OLD | {"id": "old:s:1000"}]
    for number, path in enumerate(optional, start=1):
        document = json.loads(json.dumps(whole)) | {"id": f"old:s:{number}", "agent": "old"}
        if path[:2] == ("trace", "hops"):
            for hop in document["trace"]["hops"]:
                hop.pop(path[2], None)
        elif path:
            holder = document if len(path) == 1 else document[path[0]]
            holder.pop(path[-1], None)
        documents.append(document)
    told = json.loads(store.post(documents).body)
    assert told["rejected"] == []
    assert told["accepted"] == len(documents)
    assert call(store.queries, "GET", "/recent").status == 200
