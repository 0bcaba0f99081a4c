"""Every call of the input service, against a real process."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hopmap import addresses
from hopmap.wire.control import decode_control
from hopmap.wire.feedback import decode_feedback_answer, decode_hops_answer
from hopmap.wire.service_info import decode_service_info
from hopmap.wire.target import decode_targets, encode_passed
from hopmap.wire.told import Told, decode_told

AT = "2026-01-01T00:00:00.000Z"
Make = Callable[..., Any]


def test_it_begins_with_the_cloud_and_serves_over_tcp(make_input: Make) -> None:
    service = make_input("--seed-budget=300", tcp=True)
    status = service.json("GET", "/status")
    assert status["addresses"] == 300
    assert status["prefixes"] > 100
    assert len(set(service.take("a", 300))) == 300
    assert service.take("a") == []


def test_targets_as_text_as_json_and_none(make_input: Make, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("62.0.0.0/30\n62.0.1.0/30\n")
    service = make_input(f"--seeds={tmp_path}/seeds.txt", "--lease-seconds=120")
    one = service.call("GET", "/")
    assert one.headers["content-type"].startswith("text/plain")
    assert one.headers["x-lease-seconds"] == "120"
    assert one.body.endswith(b"\n")
    found = service.call("GET", "/?count=9", headers={"Accept": "application/json", "X-Consumer-Id": "b"})
    targets = decode_targets(json.loads(found.body))
    assert sorted(target.address for target in targets) == ["62.0.0.1", "62.0.0.2", "62.0.1.1", "62.0.1.2"]
    assert {(target.why.kind, target.lease_seconds) for target in targets} == {("seed", 120)}
    nothing = service.call("GET", "/", headers={"X-Consumer-Id": "b"})
    assert (nothing.status, nothing.body) == (204, b"")
    assert 1 <= int(nothing.headers["retry-after"]) <= 30


def test_those_who_stand_behind_one_router_are_told_how_many_they_are(make_input: Make) -> None:
    service = make_input("--seeds=none")

    def share(name: str, near: str | None, **more: str) -> str | None:
        headers = {"X-Consumer-Id": name, "Accept": "application/json"} | ({"X-Near": near} if near else {}) | more
        found: str | None = service.call("GET", "/?count=9", headers=headers).headers.get("x-near-share")
        return found

    assert share("a", "08f3a,00001") == "1"
    assert share("b", "00002,08f3a") == "2"
    assert share("a", "08f3a,00001", Accept="text/plain") == "2"
    assert share("c", "-") == "1"
    assert share("d", None) is None
    refused = service.call("GET", "/", headers={"X-Near": "62.0.0.1"})
    assert (refused.status, json.loads(refused.body)["detail"][:12]) == (400, "X-Near: must")


def test_hops_become_targets_with_their_lineage(make_input: Make) -> None:
    service = make_input("--seeds=none")
    lineage = {"seen_by": "agent-1", "toward": "8.8.8.8", "result": "agent-1:s:4"}
    answer = service.json("POST", "/hops", {"hops": ["62.0.0.1", {"address": "62.0.0.2"} | lineage, "10.1.1.1"]})
    told = decode_hops_answer(answer)
    assert (told.new, told.known, told.refused) == (2, 0, {"private": 1})
    assert decode_hops_answer(service.json("POST", "/hops", {"hops": ["62.0.0.1"]})).known == 1
    found = service.call("GET", "/?count=9", headers={"Accept": "application/json"})
    by_address = {target.address: target.why for target in decode_targets(json.loads(found.body))}
    assert by_address["62.0.0.2"].seen_by == "agent-1"
    assert by_address["62.0.0.2"].result == "agent-1:s:4"
    assert by_address["62.0.0.1"].kind == "hop"


def test_feedback_gives_hints_and_backs_off(make_input: Make) -> None:
    service = make_input("--seeds=none", "--cycle-seconds=0")
    service.json("POST", "/hops", {"hops": ["62.0.0.1", "62.0.1.1"]})
    told = [
        {"target": "62.0.0.1", "outcome": "dead", "agent": "a", "at": AT},
        {"target": "62.0.1.1", "outcome": "alive", "agent": "a", "at": AT, "interfaces": ["62.9.9.9"]},
        {"target": "9.9.9.9", "outcome": "alive", "agent": "a", "at": AT},
    ]
    answer = decode_feedback_answer(service.json("POST", "/feedback", {"feedback": told}))
    assert (answer.known, answer.unknown) == (2, 1)
    seen = [service.take("a", 1) for _ in range(12)]
    assert seen.count(["62.0.1.1"]) == 2 * seen.count(["62.0.0.1"])
    found = service.call("GET", "/?count=2", headers={"Accept": "application/json", "X-Consumer-Id": "b"})
    hints = {target.address: target.hints for target in decode_targets(json.loads(found.body))}
    assert hints["62.0.1.1"] == {"passed": encode_passed([addresses.number("62.9.9.9")]), "packets": 10}
    assert service.json("GET", "/status")["yield"] == 0.5


def test_control_with_etag_delta_and_conflict(make_input: Make) -> None:
    service = make_input("--seeds=none")
    first = service.call("GET", "/control")
    assert decode_control(json.loads(first.body)).version == 0
    tag = {"If-None-Match": first.headers["etag"]}
    assert service.call("GET", "/control", headers=tag).status == 304
    one = {"schema": 1, "version": 1, "opt_outs": {"added": [{"prefix": "62.0.0.0/24", "reason": "asked"}]}}
    two = {"schema": 1, "version": 2, "paused": ["slow"], "opt_outs": {"since": 1, "added": ["63.0.0.0/24"]}}
    for document in (one, one, two, two):
        service.json("PUT", "/control", document)
    assert service.call("GET", "/control", headers=tag).status == 200
    whole = decode_control(service.json("GET", "/control"))
    assert [entry.prefix for entry in whole.opt_outs.added] == ["62.0.0.0/24", "63.0.0.0/24"]
    delta = decode_control(service.json("GET", "/control?opt_outs_since=1"))
    assert ([entry.prefix for entry in delta.opt_outs.added], delta.opt_outs.since) == (["63.0.0.0/24"], 1)
    refused = service.call("PUT", "/control", one)
    assert (refused.status, json.loads(refused.body)["version"]) == (409, 2)
    answer = service.json("POST", "/hops", {"hops": ["62.0.0.1", "64.0.0.1"]})
    assert answer["refused"]["opt-out"] == 1
    assert service.take("slow") == []
    assert service.take("quick") == ["64.0.0.1"]
    service.json("PUT", "/control", {"schema": 1, "version": 3, "stop": True})
    assert service.call("GET", "/").headers["retry-after"] == "15"


def test_opt_outs_by_file_apply_within_seconds_and_reach_the_agents(make_input: Make, tmp_path: Path) -> None:
    listed = tmp_path / "opt-outs.txt"
    listed.write_text("62.0.0.0/24 owner asked 2026-01-01\n")
    (tmp_path / "seeds.txt").write_text("62.0.0.0/29\n62.0.1.0/30\n")
    service = make_input(f"--seeds={tmp_path}/seeds.txt", f"--opt-outs={listed}")
    assert sorted(service.take("a", 10)) == ["62.0.1.1", "62.0.1.2"]
    before = service.call("GET", "/control")
    assert json.loads(before.body)["opt_outs"]["added"][0]["reason"] == "owner asked"
    listed.write_text("62.0.0.0/24\n62.0.1.0/24\n")
    deadline = time.monotonic() + 10
    tag = {"If-None-Match": before.headers["etag"]}
    while service.call("GET", "/control", headers=tag).status == 304:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert service.take("b", 10) == []


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_imported_elsewhere_goes_on_where_it_was(make_input: Make, packed: bool) -> None:
    first, second = make_input("--seed-budget=2000"), make_input("--seeds=none")
    for consumer in ("a", "b"):
        first.take(consumer, 30)
    first.json("POST", "/hops", {"hops": [f"62.0.{one}.1" for one in range(50)]})
    wanted = {"Accept-Encoding": "gzip" if packed else "identity"}
    export = first.call("GET", "/export", headers=wanted)
    assert export.headers.get("content-encoding") == ("gzip" if packed else None)
    assert json.loads(export.body.splitlines()[0])["record"] == "head"  # the client has unpacked it
    content = gzip.compress(export.body) if packed else export.body
    sent = {"Content-Encoding": "gzip"} if packed else {}
    generation = second.json("GET", "/status")["generation"]
    told = second.json("POST", "/import", content, headers=sent)
    assert told["addresses"] == 2_050
    assert told["generation"] not in {generation, first.json("GET", "/status")["generation"]}
    for consumer in ("a", "b", "newcomer"):
        assert first.take(consumer, 1_000) == second.take(consumer, 1_000)
        assert first.take(consumer, 7) == second.take(consumer, 7)
    assert second.call("POST", "/import", content, headers=sent).status == 409
    second.kill()
    second.start()
    assert second.json("GET", "/status")["addresses"] == 2_050


def test_import_can_merge_and_replace(make_input: Make) -> None:
    first, second = make_input("--seeds=none"), make_input("--seeds=none")
    first.json("POST", "/hops", {"hops": ["62.0.0.1", "62.0.0.2"]})
    second.json("POST", "/hops", {"hops": ["62.0.0.2", "62.0.0.3"]})
    export = first.call("GET", "/export").body
    assert second.json("POST", "/import?mode=merge", export)["hops"] == 3
    assert second.json("POST", "/import?mode=replace", export)["hops"] == 2
    assert sorted(second.take("a", 9)) == ["62.0.0.1", "62.0.0.2"]


def test_a_broken_import_changes_nothing(make_input: Make) -> None:
    first, second = make_input("--seeds=none"), make_input("--seeds=none")
    first.json("POST", "/hops", {"hops": ["62.0.0.1"]})
    lines = first.call("GET", "/export").body.splitlines(keepends=True)
    broken = {
        b"".join(lines[:-1]): "cut off",
        b"".join(lines[1:]): "begins with its head",
        b"".join([*lines, lines[1]]): "behind the end",
        b"".join([*lines[:2], *lines[3:]]): "records",
        b"".join([*lines[:-1], b'{"record":"found","rows":[["x"]]}\n', lines[-1]]): "rows[0]",
        b"\xff\n": "not UTF-8",
        b"": "cut off",
    }
    before = second.json("GET", "/status")["generation"]
    for content, why in broken.items():
        found = second.call("POST", "/import", content)
        assert found.status == 400, why
        assert why in json.loads(found.body)["detail"]
    packed = gzip.compress(b"".join(lines))
    for content in (packed[:-9], packed + b"more", b"plain"):
        assert second.call("POST", "/import", content, headers={"Content-Encoding": "gzip"}).status == 400
    assert second.call("POST", "/import", b"", headers={"Content-Encoding": "br"}).status == 415
    assert second.call("POST", "/import?mode=upside-down", b"").status == 400
    status = second.json("GET", "/status")
    assert (status["generation"], status["addresses"]) == (before, 0)


def test_an_import_bomb_is_stopped(make_input: Make) -> None:
    service = make_input("--seeds=none", "--max-import-mb=1")
    head = b'{"record":"head","schema":1,"generation":"g","seed":1}\n'
    bomb = gzip.compress(head + b'{"record":"weather","is":"%s"}\n' % (b"fair" * 3_000) * 5_000)
    assert len(bomb) < 1 << 20
    assert service.call("POST", "/import", bomb, headers={"Content-Encoding": "gzip"}).status == 413
    long = gzip.compress(b" " * (20 << 20))
    assert service.call("POST", "/import", long, headers={"Content-Encoding": "gzip"}).status == 413


@pytest.mark.parametrize(
    ("method", "path", "body", "names"),
    [
        ("GET", "/?count=0", None, "count"),
        ("GET", "/?count=1001", None, "count"),
        ("GET", "/?count=x", None, "count"),
        ("GET", "/control?opt_outs_since=-1", None, "opt_outs_since"),
        ("POST", "/hops", b"{", "JSON"),
        ("POST", "/hops", {"hops": ["62.0.0.1", "62.0.0"]}, "hops[1]"),
        ("POST", "/hops", {"hops": [{"address": 7}]}, "hops[0].address"),
        ("POST", "/hops", {}, "hops"),
        ("POST", "/hops", b'{"hops": [NaN]}', "NaN"),
        ("POST", "/hops", b'{"hops": [' + b"[" * 100_000, "deep"),
        ("POST", "/feedback", {"feedback": [{"target": "62.0.0.1"}]}, "feedback[0]"),
        ("PUT", "/control", {"schema": 1}, "version"),
        ("PUT", "/control", {"schema": 1, "version": 1, "opt_outs": {"added": ["62.0.0.1/8"]}}, "opt_outs.added[0]"),
    ],
)  # fmt: skip # a table
def test_bad_input_is_400_names_the_field_and_stores_nothing(
    bad_input_service: Any, method: str, path: str, body: object, names: str
) -> None:
    found = bad_input_service.call(method, path, body)
    told = json.loads(found.body)
    assert found.status == 400
    assert told["error"] == "bad_request"
    assert names in told["detail"]
    status = bad_input_service.json("GET", "/status")
    assert (status["addresses"], status["opt_outs"], status["control_version"]) == (0, 0, 0)


def test_a_consumer_names_itself_properly(bad_input_service: Any) -> None:
    found = bad_input_service.call("GET", "/", headers={"X-Consumer-Id": "../etc"})
    assert found.status == 400
    assert "X-Consumer-Id" in json.loads(found.body)["detail"]


def test_too_large_is_413(bad_input_service: Any) -> None:
    assert bad_input_service.call("POST", "/hops", b" " * (5 << 20)).status == 413


@pytest.fixture(scope="module")
def bad_input_service(tmp_path_factory: pytest.TempPathFactory, input_class: Any) -> Any:
    """One service for all bad input: none of it may change anything."""
    service = input_class(tmp_path_factory.mktemp("bad"), "--seeds=none").start()
    yield service
    service.end()


def test_scopes(make_input: Make, tmp_path: Path) -> None:
    tokens = {scope: f"{scope}-token-0123456789" for scope in ("agent", "service", "admin")}
    (tmp_path / "tokens").write_text("".join(f"{scope} {token}\n" for scope, token in tokens.items()))
    service = make_input("--seeds=none", f"--token-file={tmp_path}/tokens")
    needs = {
        ("GET", "/"): "agent",
        ("GET", "/control"): "agent",
        ("POST", "/hops"): "service",
        ("POST", "/feedback"): "service",
        ("PUT", "/control"): "admin",
        ("GET", "/export"): "admin",
        ("POST", "/import"): "admin",
    }
    for (method, path), needed in needs.items():
        for scope, token in tokens.items():
            status = service.call(method, path, None if method == "GET" else b"", token=token).status
            assert (status == 403) == (scope != needed), (method, path, scope, status)
        assert service.call(method, path, None if method == "GET" else b"").status == 401
    for path in ("/health", "/ready", "/service-info"):
        assert service.call("GET", path).status == 200
    for path in ("/status", "/metrics"):
        assert service.call("GET", path).status == 401
        assert service.call("GET", path, token=tokens["agent"]).status == 200


def test_it_introduces_itself_and_its_metrics(make_input: Make) -> None:
    service = make_input("--seeds=none")
    info = decode_service_info(service.json("GET", "/service-info"))
    assert info.service_type == "input"
    service.json("POST", "/hops", {"hops": ["62.0.0.1", "10.0.0.1"]})
    text = service.call("GET", "/metrics").body.decode()
    assert "hopmap_input_hops 1.0" in text
    assert 'hopmap_input_hops_refused_total{reason="private"} 1.0' in text
    assert service.json("GET", "/health")["statistics"]["hops"] == 1


def test_what_is_known_of_an_address(make_input: Make, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("62.0.0.0/30\n")
    service = make_input(f"--seeds={tmp_path}/seeds.txt")
    service.json("POST", "/hops", {"hops": [{"address": "62.7.0.1", "seen_by": "a", "toward": "62.0.0.1"}]})

    def told(address: str) -> Told:
        return decode_told(service.json("GET", f"/address?ip={address}"))

    seed, hop = told("62.0.0.1"), told("62.7.0.1")
    assert seed.why
    assert hop.why
    assert (seed.target, seed.why.kind, seed.refused, seed.last_outcome) == (True, "seed", None, None)
    assert (hop.target, hop.why.kind, hop.why.toward) == (True, "hop", "62.0.0.1")
    assert hop.why.first_seen
    assert told("62.9.9.9") == Told("62.9.9.9", target=False)
    assert told("10.0.0.1").refused == "private"
    service.json(
        "POST", "/feedback", {"feedback": [{"target": "62.7.0.1", "outcome": "alive", "agent": "a", "at": AT}]}
    )
    assert (told("62.7.0.1").last_outcome or "")[:4] >= "2026"
    service.json("PUT", "/control", {"schema": 1, "version": 1, "opt_outs": {"added": ["62.7.0.0/24"]}})
    assert told("62.7.0.1").refused == "opt-out"
    for wrong in ("", "?ip=", "?ip=x", "?ip=62.0.0.01", "?ip=62.0.0.0/30", "?ip=%ff", "?ip=2a00::1"):
        assert service.call("GET", f"/address{wrong}").status == 400
