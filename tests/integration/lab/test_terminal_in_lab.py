"""hopmap ping and hopmap trace in the lab, beside traceroute and the truth."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from lab_runner import read_truth, run_lab

HOPMAP = f"{sys.executable} -m hopmap"
WORLD = ("--preset", "calm", "--seed", "5", "--quiet")


@pytest.fixture(scope="module")
def target() -> str:
    return run_lab("targets", "--preset", "calm", "--seed", "5", "--alive", "--count", "1").stdout.strip()


def document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.net
def test_trace_sees_who_is_on_the_way(target: str, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    command = f"{HOPMAP} trace --once --json --max-hops 40 --flows 2 {target} >{tmp_path}/trace.json"
    done = run_lab(*WORLD, "--truth", str(truth), "--", "sh", "-c", command)
    assert done.returncode == 0, done.stderr
    rows = read_truth(truth)
    path = next(row for row in rows["path"] if row["target"] == target)
    addresses = {row["number"]: row["address"] for row in rows["interface"]}
    there: dict[int, set[str]] = {}
    for number, least, greatest in path["interfaces"]:
        for ttl in range(least, greatest + 1):
            there.setdefault(ttl, set()).add(addresses[number])
    found = document((tmp_path / "trace.json").read_text())
    seen = {hop["ttl"]: {answer["address"] for answer in hop["answers"]} for hop in found["hops"]}
    assert found["reached"]
    assert seen.pop(max(seen)) == {target}
    assert sum(map(len, seen.values())) >= len(seen) - 1  # the home router may have spent its burst of errors
    assert all(answered <= there[ttl] for ttl, answered in seen.items())


@pytest.mark.net
def test_trace_agrees_with_traceroute(target: str) -> None:
    if not shutil.which("traceroute"):
        pytest.skip("needs traceroute")
    command = (
        f"traceroute -I -n -m 40 -q 1 -w 1 {target} | tail -n +2; echo ====; "
        f"{HOPMAP} trace --report --count 2 --max-hops 40 {target}"
    )
    done = run_lab(*WORLD, "--", "sh", "-c", command)
    theirs, _, ours = done.stdout.partition("====\n")
    listed = {int(line.split()[0]): line.split()[1] for line in theirs.splitlines()}
    shown = {int(line[:3]): line.split()[1] for line in ours.splitlines() if line[:3].strip().isdecimal()}
    assert shown[max(shown)] == listed[max(listed)] == target
    # balancers may send the two different ways; where neither is silent most hops are the same
    same = [ttl for ttl in listed if listed[ttl] == shown.get(ttl)]
    assert len(same) >= len(listed) / 2


@pytest.mark.net
@pytest.mark.parametrize("transport", ["tun", "socket"])
def test_ping_over_either_way_into_the_lab(target: str, transport: str) -> None:
    command = f"{HOPMAP} ping --once --json {target}"
    done = run_lab(*WORLD, "--transport", transport, "--", "sh", "-c", command)
    assert done.returncode == 0, done.stderr
    (host,) = document(done.stdout)["hosts"]
    assert (host["address"], host["sent"], host["received"]) == (target, 1, 1)
    assert host["best_ms"] > 4.0  # the access line alone
    assert host["asn"]


def test_trace_over_the_labs_socket(target: str) -> None:
    done = run_lab(*WORLD, "--transport", "socket", "--", "sh", "-c", f"{HOPMAP} trace --once {target}")
    assert done.returncode in {0, 1}, done.stderr
    assert "hop  address" in done.stdout
    assert " AS" in done.stdout
