"""Debian's own tools in the lab see what the truth file says, hop by hop."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lab_runner import read_truth, run_lab

from lab import score

pytestmark = pytest.mark.net

COUNT = 6
SCRIPT = """
cd {folder}
fping -r0 -t2000 -f targets.txt > fping.txt
scamper -p 1000 -O json -o scamper.json -c 'trace -P icmp-paris -q 2 -w 1' -f targets.txt
for target in $(cat targets.txt); do
  ping -n -c 2 -i 0.2 $target > ping-$target.txt
  traceroute -I -n -m 40 -q 1 -w 1 $target > traceroute-$target.txt
done
"""


class Mapped(NamedTuple):
    folder: Path
    targets: list[str]
    truth: dict[str, list[dict[str, Any]]]

    def path(self, target: str) -> dict[str, Any]:
        return next(row for row in self.truth["path"] if row["target"] == target)

    def hops(self, target: str) -> dict[int, set[str]]:
        """Who can answer at which TTL, the target included."""
        addresses = {row["number"]: row["address"] for row in self.truth["interface"]}
        path = self.path(target)
        found: dict[int, set[str]] = {}
        for number, least, greatest in path["interfaces"]:
            for ttl in range(least, greatest + 1):
                found.setdefault(ttl, set()).add(addresses[number])
        for ttl in range(path["distance"][0], path["distance"][1] + 1):
            found.setdefault(ttl, set()).add(target)
        return found


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    missing = [tool for tool in ("fping", "scamper", "traceroute", "ping") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("mapped")
    listed = run_lab("targets", "--preset", "calm", "--alive", "--one-per-24", "--count", str(COUNT), "--seed", "5")
    (folder / "targets.txt").write_text(listed.stdout)
    truth = folder / "truth.jsonl"
    script = SCRIPT.format(folder=folder)
    done = run_lab("--preset", "calm", "--seed", "5", "--truth", str(truth), "--", "sh", "-ec", script)
    assert done.returncode == 0, done.stderr
    return Mapped(folder, listed.stdout.split(), read_truth(truth))


def test_every_target_answers_fping_and_ping(mapped: Mapped) -> None:
    assert len(mapped.targets) == COUNT
    assert sorted((mapped.folder / "fping.txt").read_text().splitlines()) == sorted(
        f"{target} is alive" for target in mapped.targets
    )
    for target in mapped.targets:
        assert "2 received, 0% packet loss" in (mapped.folder / f"ping-{target}.txt").read_text()
        assert mapped.path(target)["status"] == "alive"


def test_traceroute_sees_at_each_ttl_who_is_there(mapped: Mapped) -> None:
    for target in mapped.targets:
        lines = (mapped.folder / f"traceroute-{target}.txt").read_text().splitlines()[1:]
        hops = mapped.hops(target)
        seen = {int(line.split()[0]): line.split()[1] for line in lines}
        # The home router may have spent its burst of errors; nobody else is silent in the calm world.
        assert all(address in hops[ttl] for ttl, address in seen.items() if address != "*")
        assert {ttl for ttl, address in seen.items() if address == "*"} <= {1}
        assert seen[max(seen)] == target
        low, high = mapped.path(target)["distance"]
        assert low <= max(seen) <= high


def test_scamper_finds_only_links_that_exist(mapped: Mapped) -> None:
    result = score.scores(mapped.folder / "truth.jsonl", [mapped.folder / "scamper.json"], {})[0]
    assert result["targets"] == COUNT
    assert result["false_links"] == 0
    assert result["invented_interfaces"] == 0
    assert result["links"]["recall"] > 0.3


def test_a_paris_trace_is_one_connected_way_of_the_truth(mapped: Mapped) -> None:
    addresses = {row["number"]: row["address"] for row in mapped.truth["interface"]} | {0: ""}
    lines = [json.loads(line) for line in (mapped.folder / "scamper.json").read_text().splitlines()]
    traces = [line for line in lines if line["type"] == "trace"]
    assert len(traces) == COUNT
    for trace in traces:
        target = trace["dst"]
        links = {(addresses[one], addresses[other] or target) for one, other, _ in mapped.path(target)["links"]}
        seen = {hop["probe_ttl"]: hop["addr"] for hop in trace["hops"]}
        pairs = [(seen[ttl], seen[ttl + 1]) for ttl in seen if ttl + 1 in seen]
        assert len(pairs) >= len(seen) - 2
        assert set(pairs) <= links
        assert all(hop["icmp_q_ttl"] == 1 for hop in trace["hops"] if hop["icmp_type"] == 11)


def test_the_rtt_is_never_below_light(mapped: Mapped) -> None:
    for target in mapped.targets:
        text = (mapped.folder / f"ping-{target}.txt").read_text()
        times = [float(found) for found in re.findall(r"time=([0-9.]+)", text)]
        assert times
        assert min(times) >= 4.0  # the access line alone


def test_tcpdump_finds_no_bad_checksum(tmp_path: Path) -> None:
    if not shutil.which("tcpdump"):
        pytest.skip("needs tcpdump")
    listed = run_lab("targets", "--preset", "calm", "--alive", "--count", "1", "--seed", "5")
    target = listed.stdout.strip()
    script = f"""
    tcpdump -i hoplab0 -U -w {tmp_path}/all.pcap 2>/dev/null & dump=$!
    sleep 0.7
    ping -n -c 2 -s 57 -i 0.2 {target} >/dev/null
    traceroute -I -n -q 1 {target} >/dev/null
    traceroute -U -n -q 1 {target} >/dev/null
    traceroute -T -n -q 1 -p 443 {target} >/dev/null
    traceroute -T -n -q 1 -p 21 {target} >/dev/null
    sleep 0.3
    kill -INT $dump; wait $dump
    tcpdump -n -vv -r {tmp_path}/all.pcap 2>/dev/null
    """
    done = run_lab("--preset", "calm", "--seed", "5", "--", "sh", "-c", script)
    text = done.stdout
    assert "time exceeded" in text
    assert "unreachable" in text
    assert "Flags [S.]" in text
    assert "echo reply" in text
    # The words that tcpdump uses for wrong sums.
    assert not re.findall(r"bad cksum|incorrect|wrong icmp", text)
    assert text.count("(correct)") >= 2
