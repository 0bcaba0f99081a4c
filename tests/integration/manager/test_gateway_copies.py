"""Gateways of several managers: what the leader's gives, what another takes and refuses, who serves and makes keys."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from manager.core.api_keys import DAY
from manager.core.place import Place
from manager.failover.side import FILE, Lone, Side
from manager.gateway import copies
from manager.keys import KeyStore
from tests.faults.fault_parts import until
from tests.integration.manager.gateway_box import Behind, Gateway
from tests.integration.manager.test_gateway_programs import one_file

A, B = 16, 33


class Pair:
    """Two gateways, each with its manager's side, before one input."""

    def __init__(self, folder: Path) -> None:
        self.input = Behind()
        url = self.input.start()
        self.one, self.two = (Gateway(folder / name, [url], [url]) for name in ("one", "two"))
        self.ones, self.twos = side(folder, self.one), side(folder, self.two)

    def copied(self) -> None:
        """What the first gives is taken by the second, as looks of their managers do it."""
        content = self.ones.content()
        assert content is not None
        self.twos.keep(content)
        self.twos.follow(A, lambda sha256: self.ones.program(sha256) or b"")

    def close(self) -> None:
        self.one.close()
        self.two.close()
        self.input.stop()


def side(folder: Path, gateway: Gateway) -> Side:
    own = gateway.own.removeprefix("unix://")
    return Side(folder / Path(own).parent.name, own)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def status(gateway: Gateway, key: str, path: str = "/gateway/control") -> int:
    return gateway.call("GET", path, key).status


def told(gateway: Gateway, method: str, path: str, sent: object = None) -> tuple[int, dict[str, Any]]:
    answer = gateway.manage(method, path, sent)
    return answer.status, json.loads(answer.body)


def enrol(gateway: Gateway, token: str, node: str) -> int:
    return gateway.call("POST", "/gateway/enrol", token, json.dumps({"node": node}).encode()).status


def test_what_the_leader_has_is_there_when_the_other_leads(pair: Pair) -> None:
    key, revoked = pair.one.keys.rotate("attic"), pair.one.keys.rotate("cellar")
    spent, waiting = pair.one.keys.new_token(None, DAY), pair.one.keys.new_token("barn", DAY)
    program = one_file("0.2.0")
    digest = hashlib.sha256(program).hexdigest()
    assert told(pair.one, "POST", "/agents", program)[0] == 200
    pair.ones.lead(A, 60)
    pair.copied()
    assert status(pair.one, revoked) == 200
    pair.one.keys.revoke("cellar")
    assert enrol(pair.one, spent, "shed") == 200
    pair.copied()

    pair.twos.lead(B, 60)
    assert (status(pair.two, key), status(pair.two, revoked)) == (200, 401)
    assert (enrol(pair.two, spent, "again"), enrol(pair.two, waiting, "barn")) == (401, 200)
    assert pair.two.call("GET", f"/gateway/agent/{digest}", key).body == program
    assert told(pair.two, "POST", "/keys/ensure", {"node": "shed"}) == (200, {"changed": False})


def test_nothing_that_could_be_a_key_is_in_a_copy(pair: Pair) -> None:
    key, token = pair.one.keys.rotate("attic"), pair.one.keys.new_token(None, DAY)
    pair.ones.lead(A, 60)
    content = pair.ones.content()
    assert content is not None
    for secret in (key, token):
        assert secret.rpartition("_")[2][:20].encode() not in content


def test_who_stands_by_serves_nobody_and_makes_no_keys(pair: Pair) -> None:
    key, token = pair.one.keys.rotate("attic"), pair.one.keys.new_token(None, DAY)
    pair.ones.lead(A, 60)
    pair.copied()
    for path in ("control", "targets", f"agent/{'0' * 64}"):
        answer = pair.two.call("GET", f"/gateway/{path}", key)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        assert "stands by" in json.loads(answer.body)["detail"]
    assert enrol(pair.two, token, "shed") == 503
    for path, sent in (
        ("/keys/ensure", {"node": "n"}), ("/keys/rotate", {"node": "n"}), ("/keys/revoke", {"node": "attic"}),
        ("/enrol-tokens", {}), ("/enrol-tokens/end", {"id": "a"}), ("/agents", one_file("0.3.0")),
    ):  # fmt: skip
        assert told(pair.two, "POST", path, sent)[1]["error"] == "standing_by", path
    assert status(pair.one, key) == 200


def test_an_overtaken_leader_brings_nothing_back(pair: Pair) -> None:
    key = pair.one.keys.rotate("attic")
    pair.ones.lead(A, 60)
    pair.copied()
    old = pair.ones.content()
    assert old is not None
    pair.twos.lead(B, 60)
    pair.two.keys.revoke("attic")
    pair.twos.keep(old)  # what came too late
    pair.twos.lead(B, 60)
    assert told(pair.two, "POST", "/copy", old)[1]["error"] == "later_epoch"
    assert told(pair.two, "POST", "/place", {"epoch": A, "leads": True})[1]["error"] == "later_epoch"
    assert told(pair.two, "POST", f"/agents?epoch={A}", one_file("0.3.0"))[1]["error"] == "later_epoch"
    assert status(pair.two, key) == 401

    mine = pair.one.keys.rotate("alone")  # nobody was told of it
    new = pair.twos.content()
    assert new is not None
    pair.ones.keep(new)
    pair.ones.follow(B, lambda _: b"")
    assert {one.node: one.ended is not None for one in pair.one.keys.known()} == {"attic": True}
    pair.ones.lead(48, 60)
    assert (status(pair.one, key), status(pair.one, mine)) == (401, 401)


def test_without_the_managers_word_no_keys_are_made_but_those_that_are_there_open(pair: Pair) -> None:
    key = pair.one.keys.rotate("attic")
    pair.ones.lead(A, -1)
    assert told(pair.one, "POST", "/keys/ensure", {"node": "n"})[1]["error"] == "not_leading"
    assert enrol(pair.one, pair.one.keys.new_token(None, DAY), "shed") == 503
    assert status(pair.one, key) == 200


def test_a_gateway_that_is_away_gets_all_when_it_is_back(tmp_path: Path, pair: Pair) -> None:
    key = pair.one.keys.rotate("attic")
    pair.ones.lead(A, 60)
    given = pair.ones.content()
    assert given is not None
    (tmp_path / "later").mkdir()
    later = Side(tmp_path / "later", str(tmp_path / "three/own.sock"))
    later.keep(given)
    later.follow(A, lambda _: b"")
    later.lead(B, 60)
    assert later.content() is None
    assert (tmp_path / "later" / FILE).exists()
    with Gateway(tmp_path / "three", ["http://127.0.0.1:1"], ["http://127.0.0.1:1"]) as three:
        later.lead(B, 60)
        assert [one.node for one in three.keys.known()] == ["attic"]
        assert not (tmp_path / "later" / FILE).exists()
        assert three.keys.opened(key, "control").node == "attic"
    with closing(KeyStore(tmp_path / "three", time.time, os.urandom)) as again:
        assert again.place == Place(B)


def test_a_file_that_came_broken_is_fetched_again(pair: Pair) -> None:
    program = one_file("0.2.0")
    old = one_file("0.1.0")
    assert told(pair.two, "POST", "/agents", old)[0] == 200
    assert told(pair.one, "POST", "/agents", program)[0] == 200
    pair.ones.lead(A, 60)
    given = pair.ones.content()
    assert given is not None
    pair.twos.keep(given)
    pair.twos.follow(A, lambda _: program[:-1])
    assert told(pair.two, "GET", "/agents")[1]["agents"] == []
    pair.twos.follow(A, lambda _: program)
    assert [one["version"] for one in told(pair.two, "GET", "/agents")[1]["agents"]] == ["0.2.0"]
    assert pair.ones.program("0" * 64) is None


def test_what_did_not_change_is_not_given_anew_and_use_counts_to_the_day(pair: Pair) -> None:
    key = pair.one.keys.rotate("attic")
    pair.ones.lead(A, 60)
    first = pair.one.manage("GET", "/copy")
    assert status(pair.one, key) == 200
    pair.one.keys.write_use()
    day = pair.one.manage("GET", "/copy")
    assert day.headers["etag"] != first.headers["etag"]
    assert status(pair.one, key) == 200
    pair.one.keys.write_use()
    assert pair.one.manage("GET", "/copy").headers["etag"] == day.headers["etag"]
    assert pair.ones.content() == pair.ones.content() == day.body


def test_a_manager_that_is_alone_again_says_so(pair: Pair) -> None:
    key = pair.one.keys.rotate("attic")
    pair.ones.lead(A, 60)
    pair.copied()
    lone = Lone(pair.twos)
    lone.start()
    until(lambda: status(pair.two, key) == 200, "the gateway serves")
    lone.close()
    assert told(pair.two, "POST", "/keys/ensure", {"node": "n"})[0] == 200


GOOD = ["a1", "n", "0" * 64, ["targets"], 1, 2, None, 0]


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        (b"", ""),
        (b"[]", "the copy"),
        ({"schema": 9}, "schema"),
        ({"schema": 1}, "epoch"),
        ({"schema": 1, "epoch": -1}, "epoch"),
        ({"schema": 1, "epoch": 1, "keys": {}, "tokens": [], "agents": []}, "keys"),
        ({"schema": 1, "epoch": 1, "keys": [GOOD[:-1]], "tokens": [], "agents": []}, "keys[0]"),
        ({"schema": 1, "epoch": 1, "keys": [["a/", *GOOD[1:]]], "tokens": [], "agents": []}, "keys[0]"),
        ({"schema": 1, "epoch": 1, "keys": [["a1", "n", "0", *GOOD[3:]]], "tokens": [], "agents": []}, "keys[0]"),
        ({"schema": 1, "epoch": 1, "keys": [[*GOOD[:4], 1e300, *GOOD[5:]]], "tokens": [], "agents": []}, "keys[0]"),
        ({"schema": 1, "epoch": 1, "keys": [GOOD, GOOD], "tokens": [], "agents": []}, "keys"),
        ({"schema": 1, "epoch": 1, "keys": [], "tokens": [["t", "0" * 64, "a b", 1]], "agents": []}, "tokens[0]"),
        ({"schema": 1, "epoch": 1, "keys": [], "tokens": [], "agents": ["../keys"]}, "agents[0]"),
        ({"schema": 1, "epoch": 1, "keys": [], "tokens": [], "agents": ["0" * 64] * 9}, "agents"),
    ],
)
def test_what_is_no_copy_is_refused_and_changes_nothing(pair: Pair, sent: object, where: str) -> None:
    key = pair.one.keys.rotate("attic")
    code, said = told(pair.one, "POST", "/copy", sent)
    assert (code, where in said["detail"]) == (400, True), said
    assert status(pair.one, key) == 200


@pytest.mark.parametrize(
    "sent", [b"", [], {}, {"epoch": 1}, {"epoch": "1", "leads": True}, {"epoch": -1, "leads": True},
             {"epoch": 1, "leads": 1}, {"epoch": 1, "leads": True, "seconds": 1e9}],
)  # fmt: skip
def test_what_is_no_place_is_refused(pair: Pair, sent: object) -> None:
    assert told(pair.one, "POST", "/place", sent)[0] == 400
    assert pair.one.keys.place.epoch == 0


def test_a_copy_has_a_bound(pair: Pair) -> None:
    assert told(pair.one, "POST", "/copy", b"0" * (copies.LARGEST + 1))[0] == 413
