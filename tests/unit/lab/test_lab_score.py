"""Scores of hand-made traces against a hand-made truth: every figure and every cause is known beforehand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from hopmap.errors import UserError
from lab import score, traces, truthfile

# Worker 0: home(1) - a(2) - {b, c}(3, by flow) - d(4) - target at 5; on the way to 9.9.9.2 one forwards TTL 0.
FACES = {
    1: ("192.168.1.1", []),
    2: ("5.0.0.1", []),
    3: ("5.0.0.2", []),
    4: ("5.0.0.3", ["silent"]),
    5: ("5.0.0.4", []),
    6: ("5.0.0.5", ["zero-ttl"]),
    7: ("5.0.0.6", []),
    8: ("5.0.0.7", []),
    9: ("5.0.0.8", []),
    10: ("5.0.0.9", []),
}


def path(target: str, interfaces: list[list[int]], links: list[list[Any]], **more: Any) -> dict[str, Any]:
    row = {
        "kind": "path",
        "target": target,
        "worker": 0,
        "status": "alive",
        "distance": [5, 5],
        "since": 0,
        "until": None,
    }
    return row | {"interfaces": interfaces, "links": links} | more


PATHS = [
    path(
        "9.9.9.1",
        [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 3, 3], [5, 4, 4]],
        [[1, 2, "plain"], [2, 3, "flow"], [2, 4, "flow"], [3, 5, "flow"], [4, 5, "flow"], [5, 0, "plain"]],
    ),
    path(
        "9.9.9.2",
        [[1, 1, 1], [2, 2, 2], [6, 3, 3], [7, 4, 4]],
        [[1, 2, "plain"], [2, 6, "plain"], [6, 7, "plain"], [7, 0, "plain"]],
    ),
    path(
        "9.9.9.3",
        [[1, 1, 1], [3, 2, 2], [7, 2, 2], [8, 3, 3], [9, 3, 3]],
        [[1, 3, "packet"], [1, 7, "packet"], [3, 8, "packet"], [7, 9, "packet"], [8, 0, "plain"], [9, 0, "plain"]],
        distance=[4, 4],
    ),
    path("9.9.9.4", [[1, 1, 1], [2, 2, 2]], [[1, 2, "plain"], [2, 0, "plain"]], distance=[3, 3], until=5.0),
    path("9.9.9.4", [[1, 1, 1], [10, 2, 2]], [[1, 10, "plain"], [10, 0, "plain"]], distance=[3, 3], since=5.0),
    path("9.9.9.5", [[1, 1, 1], [2, 2, 2]], [[1, 2, "plain"], [2, 0, "plain"]], distance=[3, 3], status="dead"),
]


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"kind": "world", "schema": 1},
        {"kind": "worker", "worker": 0, "source": "192.168.1.2"},
    ]
    for number, (address, traits) in FACES.items():
        shown = not {"silent", "zero-ttl"} & set(traits)
        rows.append({"kind": "interface", "number": number, "address": address, "visible": shown, "traits": traits})
    file = tmp_path / "truth.jsonl.gz"
    assert truthfile.write(file, rows + PATHS) == len(rows) + len(PATHS)
    return file


def scamper(target: str, hops: dict[int, str], *, source: str = "192.168.1.2") -> str:
    seen = [{"addr": address, "probe_ttl": ttl} for ttl, address in hops.items()]
    return json.dumps({"type": "trace", "src": source, "dst": target, "probe_count": 8, "hops": seen})


def own(target: str, hops: dict[int, str | None], late: int = 0, agent: str = "anna") -> dict[str, Any]:
    seen = [{"ttl": ttl, "address": address, "late": ttl == late} for ttl, address in hops.items()]
    return {
        "schema": 1,
        "agent": agent,
        "target": target,
        "ping": {"sent": 1},
        "trace": {"probes": 5, "hops": seen},
    }


def tracelb(target: str, nodes: list[dict[str, Any]]) -> str:
    row = {"type": "tracelb", "src": "192.168.1.2", "dst": target, "probec": 60, "firsthop": 1, "nodes": nodes}
    return json.dumps(row)


def behind(address: str, ttl: int, *distances: list[str]) -> dict[str, Any]:
    """A node of scamper's tracelb: for each distance behind it, what answered there."""
    links = [
        [{"addr": seen, "probes": [{"ttl": ttl + further, "flowid": 1}]} for seen in at]
        for further, at in enumerate(distances, 1)
    ]
    return {"addr": address, "linkc": len(links)} | ({"links": links} if links else {})


def scored(truth: Path, tmp_path: Path, *lines: str, agents: dict[str, int] | None = None) -> score.Score:
    file = tmp_path / "traces.json"
    file.write_text("\n".join(lines) + "\n")
    return score.scores(truth, [file], agents or {})[0]


FULL = {1: "192.168.1.1", 2: "5.0.0.1", 3: "5.0.0.2", 4: "5.0.0.4", 5: "9.9.9.1"}


def test_a_whole_trace_finds_all_that_is_visible(truth_file: Path, tmp_path: Path) -> None:
    found = scored(truth_file, tmp_path, scamper("9.9.9.1", FULL))
    assert (found["targets"], found["flows"], found["probes"], found["probes_per_target"]) == (1, 1, 8, 8.0)
    assert found["interfaces"] == {"found": 4, "visible": 4, "recall": 1.0, "existing": 5, "recall_of_existing": 0.8}
    assert found["links"]["found"] == found["links"]["visible"] == 4
    assert found["links"]["existing"] == 6
    assert found["false_links"] == 0
    assert found["probes_per_interface"] == 2.0


def test_own_results_count_pings_and_skip_silence(truth_file: Path, tmp_path: Path) -> None:
    hops: dict[int, str | None] = dict(FULL)
    hops[3] = None
    wrapped = {"cursor": "7", "result": own("9.9.9.1", hops)}
    bare = {"schema": 1, "agent": "anna", "target": "9.9.9.5", "ping": {"sent": 2}, "trace": None}
    found = scored(truth_file, tmp_path, json.dumps(wrapped), json.dumps([bare]), agents={"anna": 0})
    assert found["probes"] == 1 + 5 + 2
    assert found["links"]["found"] == 2
    assert found["targets"] == 1


def test_tracelb_shows_the_links_behind_each_node_and_no_others(truth_file: Path, tmp_path: Path) -> None:
    found = scored(
        truth_file,
        tmp_path,
        tracelb(
            "9.9.9.1",
            [
                behind("192.168.1.1", 1, ["5.0.0.1"]),
                behind("5.0.0.1", 2, ["5.0.0.2", "5.0.0.3"]),
                behind("5.0.0.2", 3, ["5.0.0.4"]),
                behind("5.0.0.3", 3, ["*"], ["9.9.9.1"]),
                behind("5.0.0.4", 4),
            ],
        ),
    )
    assert (found["targets"], found["probes"]) == (1, 60)
    assert (found["interfaces"]["found"], found["links"]["found"]) == (4, 3)
    assert found["false_links"] == 0


def test_tracelb_is_held_to_its_links(truth_file: Path, tmp_path: Path) -> None:
    crossed = [behind("5.0.0.2", 2, ["5.0.0.8"]), behind("5.0.0.6", 2, ["5.0.0.7"])]
    assert scored(truth_file, tmp_path, tracelb("9.9.9.3", crossed))["false_causes"] == {"per-packet balancer": 2}


@pytest.mark.parametrize(
    ("target", "hops", "cause"),
    [
        ("9.9.9.2", {2: "5.0.0.1", 3: "5.0.0.6"}, "zero-TTL forwarder"),
        ("9.9.9.1", {2: "5.0.0.1", 3: "8.8.8.8"}, "invented address"),
        ("9.9.9.3", {2: "5.0.0.2", 3: "5.0.0.8"}, "per-packet balancer"),
        ("9.9.9.4", {2: "5.0.0.1", 3: "5.0.0.9"}, "route change"),
        ("9.9.9.1", {2: "5.0.0.1", 3: "5.0.0.7"}, "another trace's answer"),
        ("9.9.9.1", {2: "5.0.0.1", 3: "5.0.0.4"}, "answer of another TTL"),
        ("9.9.9.1", {3: "5.0.0.2", 4: "9.9.9.1"}, "answer of another TTL"),
    ],
)
def test_false_links_have_their_cause(
    truth_file: Path, tmp_path: Path, target: str, hops: dict[int, str], cause: str
) -> None:
    found = scored(truth_file, tmp_path, scamper(target, hops))
    assert found["false_links"] == 1
    assert found["false_causes"] == {cause: 1}


def test_two_forwarders_of_ttl_0_in_a_row_and_in_a_ring(truth_file: Path, tmp_path: Path) -> None:
    text = "".join(truthfile.lines(truth_file)).replace(
        '"visible":false,"traits":["silent"]', '"visible":false,"traits":["zero-ttl"]'
    )
    ring = path(
        "9.9.9.6", [[2, 1, 1], [4, 2, 2], [6, 3, 3], [8, 4, 4]], [[2, 4, "x"], [4, 6, "x"], [6, 4, "x"], [6, 8, "x"]]
    )
    file = tmp_path / "ring.jsonl"
    file.write_text(text + json.dumps(ring) + "\n")
    found = scored(file, tmp_path, scamper("9.9.9.6", {1: "5.0.0.1", 2: "5.0.0.7"}))
    assert found["false_causes"] == {"zero-TTL forwarder": 1}
    found = scored(file, tmp_path, scamper("9.9.9.6", {1: "5.0.0.1", 2: "5.0.0.9"}))
    assert found["false_causes"] == {"another trace's answer": 1}


def test_late_replies_and_flows_that_were_not_kept(truth_file: Path, tmp_path: Path) -> None:
    late = own("9.9.9.1", {2: "5.0.0.1", 3: "5.0.0.4"}, late=3)
    assert scored(truth_file, tmp_path, json.dumps(late))["false_causes"] == {"late reply": 1}
    rows = truthfile.lines(truth_file)
    crossed = tmp_path / "crossed.jsonl"
    crossed.write_text("".join(rows).replace('"packet"', '"flow"'))
    found = scored(crossed, tmp_path, scamper("9.9.9.3", {2: "5.0.0.2", 3: "5.0.0.8"}))
    assert found["false_causes"] == {"flow not kept": 1}


def test_a_false_link_counts_once_and_a_link_seen_elsewhere_is_true(truth_file: Path, tmp_path: Path) -> None:
    false = scamper("9.9.9.2", {2: "5.0.0.1", 3: "5.0.0.6"})
    assert scored(truth_file, tmp_path, false, false)["false_links"] == 1
    assert scored(truth_file, tmp_path, scamper("9.9.9.5", {2: "5.0.0.1", 3: "5.0.0.2"}))["false_links"] == 0


def test_silence_between_makes_no_link_and_repeats_neither(truth_file: Path, tmp_path: Path) -> None:
    found = scored(truth_file, tmp_path, scamper("9.9.9.1", {2: "5.0.0.1", 4: "5.0.0.4", 5: "5.0.0.4"}))
    assert (found["links"]["found"], found["false_links"]) == (0, 0)


def test_traces_that_the_truth_does_not_know_are_said(truth_file: Path, tmp_path: Path) -> None:
    found = scored(truth_file, tmp_path, scamper("7.7.7.7", FULL), scamper("9.9.9.1", FULL, source="10.0.0.1"))
    assert (found["not_in_truth"], found["targets"]) == (2, 0)
    assert found["links"]["recall"] is None
    assert "2 traces of pairs that the truth does not know" in score.table([found])


def test_several_files_are_scored_alone_and_together(truth_file: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json.gz"
    one.write_text(scamper("9.9.9.1", FULL) + '\n\n{"type":"ping","src":"192.168.1.2","dst":"9.9.9.1","ping_sent":3}\n')
    other.write_bytes(gzip.compress(scamper("9.9.9.2", {2: "5.0.0.1", 3: "5.0.0.6"}).encode()))
    found = score.scores(truth_file, [one, other], {})
    assert [row["traces"] for row in found] == [str(one), str(other), "all together"]
    assert [row["probes"] for row in found] == [11, 8, 19]
    assert [row["false_links"] for row in found] == [0, 1, 1]
    text = score.table(found)
    assert "100.0 % of 4" in text
    assert "1 false by zero-TTL forwarder" in text


def two_workers(truth_file: Path, tmp_path: Path) -> Path:
    """The same truth with a second worker, which reaches 9.9.9.1 and 9.9.9.6 by other ways."""
    far = path("9.9.9.1", [[1, 1, 1], [9, 2, 2]], [[1, 9, "plain"], [9, 0, "plain"]], worker=1, distance=[3, 3])
    rows = [
        *map(str.strip, truthfile.lines(truth_file)),
        json.dumps({"kind": "worker", "worker": 1, "source": "192.168.2.2"}),
    ]
    file = tmp_path / "two.jsonl"
    further = path("9.9.9.6", [[1, 1, 1], [9, 2, 2]], [[1, 9, "plain"], [9, 0, "plain"]], worker=1, distance=[3, 3])
    file.write_text("\n".join([*rows, json.dumps(far), json.dumps(further)]) + "\n")
    return file


def test_an_agents_traces_belong_to_the_worker_whose_hops_they_show(truth_file: Path, tmp_path: Path) -> None:
    second = own("9.9.9.1", {1: "192.168.1.1", 2: "5.0.0.8", 3: "9.9.9.1"}, agent="ben")
    of_anna, of_ben = [own("9.9.9.1", dict(FULL)), own("9.9.9.1", {})], [second]
    of_nobody = [own("9.9.9.1", {5: "9.9.9.1"}, agent="carl")]
    rows = map(json.dumps, [*of_anna, *of_ben, *of_nobody])
    found = scored(two_workers(truth_file, tmp_path), tmp_path, *rows)
    assert (found["targets"], found["not_in_truth"], found["false_links"]) == (2, 1, 0)
    assert found["links"]["recall"] == 1.0


def test_what_an_agent_probed_before_the_lab_began_is_not_given_to_another(truth_file: Path, tmp_path: Path) -> None:
    kept = own("9.9.9.6", {1: "192.168.1.1", 2: "5.0.0.1", 3: "5.0.0.6", 4: "9.9.9.6"})
    found = scored(
        two_workers(truth_file, tmp_path), tmp_path, json.dumps(own("9.9.9.1", dict(FULL))), json.dumps(kept)
    )
    assert (found["targets"], found["not_in_truth"], found["false_links"]) == (1, 1, 0)


def test_a_worker_that_the_truth_does_not_have_is_named(truth_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--agents: the truth has no worker 7: it has 0"):
        scored(truth_file, tmp_path, agents={"anna": 7})


def test_other_kinds_of_rows_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text('{"type":"cycle-start"}\n')
    assert list(traces.read(file)) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1: not JSON"),
        ('{"type":"trace","src":"1.1.1.1"}', "line 1: a measurement without 'dst'"),
        ("7", "line 1: no measurement"),
        ('{"type":"trace","src":"1.1.1.1","dst":"1.2.3.4","probe_count":1,"hops":5}', "line 1: no measurement"),
    ],
)
def test_bad_traces_are_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "x"
    file.write_text(text)
    with pytest.raises(UserError, match=says):
        list(traces.read(file))


@pytest.mark.parametrize("text", ["{", '{"kind":"path"}', '{"kind":"world"}', "[]"])
def test_what_is_no_truth_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x"
    file.write_text(text)
    with pytest.raises(UserError, match="is not what the lab writes"):
        score.scores(file, [], {})


def test_broken_compression_is_refused(truth_file: Path) -> None:
    truth_file.write_bytes(truth_file.read_bytes()[:-9])
    with pytest.raises(UserError, match="cannot read"):
        score.scores(truth_file, [], {})


def test_the_truth_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    file.write_text("old")

    def rows() -> Any:
        yield {"kind": "world"}
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        truthfile.write(file, rows())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
