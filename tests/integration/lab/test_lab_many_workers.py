"""Eight workers in one lab: a namespace and a device each, or a place each at the socket."""

import json
import sys
from pathlib import Path

import pytest
from lab_runner import read_truth, run_lab

from lab.world import packets

WORKERS = 8
PROBER = str(Path(__file__).parent / "lab_prober.py")


def echo(source: int, target: int, ttl: int) -> str:
    body = bytearray(b"\x08\0\0\0\x11\x11\0\x01one of eight workers")
    body[2:4] = packets.checksum(bytes(body)).to_bytes(2, "big")
    return (packets.header(source, target, packets.ICMP, ttl, 20 + len(body)) + bytes(body)).hex()


def number(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))), "big")


@pytest.mark.parametrize("transport", [pytest.param("tun", marks=pytest.mark.net), "socket"])
def test_eight_workers_probe_at_once_and_are_counted_together_and_each(tmp_path: Path, transport: str) -> None:
    [target] = run_lab("targets", "--preset", "calm", "--alive", "--count", "1").stdout.split()
    for worker in range(WORKERS):
        source = number(f"192.168.{worker + 1}.2")
        probes = [echo(source, number(target), ttl) for ttl in (64, 1, 2, 64)]
        (tmp_path / f"in-{worker}").write_text("\n".join(probes))
    script = (
        f"readlink /proc/self/ns/net >{tmp_path}/net-$0; {sys.executable} {PROBER} <{tmp_path}/in-$0 >{tmp_path}/out-$0"
    )
    done = run_lab(
        *("--preset", "calm", "--transport", transport, "--workers", str(WORKERS)),
        *("--truth", f"{tmp_path}/truth", "--stats", f"{tmp_path}/stats"),
        *("--", "sh", "-ec", script, "{worker}"),
    )
    assert done.returncode == 0, done.stderr
    namespaces = {(tmp_path / f"net-{worker}").read_text() for worker in range(WORKERS)}
    assert len(namespaces) == (WORKERS if transport == "tun" else 1)
    first_hops = set()
    for worker in range(WORKERS):
        rows = [line.split() for line in (tmp_path / f"out-{worker}").read_text().splitlines()]
        answers = [bytes.fromhex(answer) for answer, _ in rows]
        assert [answer[20] for answer in answers] == [0, 11, 11, 0]
        assert {answer[16:20] for answer in answers} == {number(f"192.168.{worker + 1}.2").to_bytes(4, "big")}
        first_hops.add(answers[1][12:16])
    assert len(first_hops) == WORKERS
    stats = json.loads((tmp_path / "stats").read_text())
    block = f"{target.rpartition('.')[0]}.0/24"
    assert stats["blocks"] == [{"block": block, "packets": 16, "peak": 16, "peak_per_s": 16 / 600}]
    assert sorted((row["worker"], row["packets"]) for row in stats["blocks_each"]) == [(one, 2) for one in range(8)]
    assert [row["packets"] for row in stats["addressed"]] == [32]
    assert {row["worker"] for row in stats["near_routers_each"]} == set(range(WORKERS))
    truth = read_truth(tmp_path / "truth")
    assert sorted(row["worker"] for row in truth["path"]) == list(range(WORKERS))


def test_counters_that_can_not_be_written_are_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone"  # while the lab ran
    gone.mkdir()
    done = run_lab("--preset", "calm", "--transport", "socket", "--stats", f"{gone}/file", "--", "rmdir", str(gone))
    assert done.returncode == 2
    assert "cannot write the counters" in done.stderr
    assert "Traceback" not in done.stderr


def test_fractions_of_a_preset_can_be_set() -> None:
    listed = run_lab("targets", "--preset", "calm", "--set", "alive=0", "--alive", "--count", "1")
    assert listed.returncode == 2
    assert "only 0 such targets" in listed.stderr
    for wrong, says in (("alive", "takes NAME=X"), ("weather=1", "no fraction 'weather'")):
        refused = run_lab("targets", "--set", wrong)
        assert refused.returncode == 2
        assert says in refused.stderr
