"""The whole agent as a process, between services on unix sockets and a lab where everybody answers."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hopmap.wire import decode
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.result import decode_result
from hopmap.wire.service_info import decode_service_info


def test_once_takes_all_delivers_all_and_ends(agent: Any, services: Any, lab: Any, public: Any) -> None:
    services.targets = public(300)
    process = agent.start("--once")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert {result["target"] for result in services.results.values()} == set(public(300))
    assert len(services.results) == 300
    for result in services.results.values():
        found = decode_result(result)
        assert found.ping.received == 1
        assert found.trace is not None
        assert found.trace.reached
    assert services.consumers == {"agent-1"}


def test_a_file_in_and_a_file_out(agent: Any, lab: Any, public: Any, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n".join([*public(5), "10.0.0.1", "nonsense", public(1)[0]]))
    process = agent.start("--once", "--input-file=in.txt", "--output-file=out/results.ndjson")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    lines = (tmp_path / "out" / "results.ndjson").read_bytes().splitlines()
    assert sorted(decode_result(decode.parse(line)).target for line in lines) == sorted(public(5))
    assert "bad_lines" in said
    assert {address for _, address in lab.pinged} == set(public(5))


def test_term_ends_it_within_seconds_with_everything_handed_in(
    agent: Any, services: Any, public: Any, soon: Any
) -> None:
    services.targets = public(5000)
    agent.start("--packets-per-second=500")
    soon(lambda: len(services.results) > 20, "results come in")
    began = time.monotonic()
    code, said = agent.end()
    assert code == 0, said
    assert time.monotonic() - began < 10
    assert "left_in_spool=0" in said
    assert not (agent.folder / "health.sock").exists()


def test_with_the_services_away_it_starts_waits_and_catches_up(
    agent: Any, services: Any, public: Any, soon: Any
) -> None:
    services.stop()
    services.targets = public(50)
    agent.start()
    soon(lambda: agent.ask("/ready").status == 503, "not ready")
    services.start()
    soon(lambda: len(services.results) == 50, "all results")
    soon(lambda: agent.ask("/ready").status == 200, "ready")
    assert agent.end()[0] == 0


def test_refusals_and_lost_answers_lose_and_double_nothing(agent: Any, services: Any, public: Any, soon: Any) -> None:
    services.targets = public(100)
    services.refuse = [(503, {"Retry-After": "1"}), (500, {}), (400, {})]
    services.lose_answers = 1
    agent.start()
    soon(lambda: len(services.results) == 100, "all results")
    soon(lambda: agent.statistics()["spool_results"] == 0, "an empty spool")
    results = agent.statistics()["results"]
    assert results["delivered"] + results["duplicate"] == 100
    assert results["duplicate"] == services.duplicates > 0
    assert results["refused"] == results["dropped"] == results["lost"] == 0
    assert agent.end()[0] == 0


def test_stop_by_control_silences_it_until_it_is_lifted(
    agent: Any, services: Any, lab: Any, public: Any, soon: Any
) -> None:
    services.targets = public(60_000)
    agent.start("--packets-per-second=200")
    soon(lambda: len(lab.pinged) > 20, "probes")
    services.control = Control(version=1, stop=True)
    soon(lambda: agent.statistics()["halted"], "the stop is heard", 30)
    silent_since = time.monotonic() + 0.2
    assert agent.ask("/ready").status == 503
    time.sleep(1.0)
    assert [moment for moment, _ in lab.pinged if moment > silent_since] == []
    assert agent.end()[0] == 0


def test_opt_outs_told_before_the_first_target_are_never_probed(
    agent: Any, services: Any, lab: Any, public: Any
) -> None:
    services.targets = public(40)
    services.control = Control(version=4, opt_outs=OptOutDelta(0, (OptOut("8.0.1.0/24"), OptOut("8.0.2.1"))))
    process = agent.start("--once")
    process.communicate(timeout=30)
    probed = {address for _, address in lab.pinged}
    assert probed == set(public(40)) - {"8.0.1.1", "8.0.2.1"}


def test_kill_at_any_moment_loses_nothing_that_was_spooled_and_doubles_nothing(
    agent: Any, services: Any, public: Any, soon: Any
) -> None:
    rng = random.Random(5)
    services.targets = public(20_000)
    for _ in range(12):
        agent.start("--packets-per-second=3000")
        before = len(services.results)
        soon(lambda before=before: len(services.results) > before, "further results")
        time.sleep(rng.random() * 0.3)
        agent.end(signal.SIGKILL)
    services.targets = []
    agent.start("--once").communicate(timeout=30)
    sequences = sorted(int(identity.rpartition(":")[2]) for identity in services.results)
    assert sequences == list(range(1, len(sequences) + 1))
    assert len({identity.split(":")[1] for identity in services.results}) == 1
    targets = [result["target"] for result in services.results.values()]
    assert len(targets) == len(set(targets))


def test_a_target_is_not_pinged_again_after_a_kill(agent: Any, services: Any, lab: Any, public: Any, soon: Any) -> None:
    services.targets = public(30)
    agent.start()
    soon(lambda: len(services.results) == 30, "all results")
    agent.end(signal.SIGKILL)
    services.targets = [*public(30), "9.9.9.9"]
    pings = len(lab.pinged)
    agent.start("--once").communicate(timeout=30)
    assert {address for _, address in lab.pinged[pings:]} == {"9.9.9.9"}


def test_it_tells_how_it_is(agent: Any, services: Any, public: Any, soon: Any) -> None:
    services.targets = public(10)
    agent.start()
    soon(lambda: len(services.results) == 10, "all results")
    info = decode_service_info(decode.parse(agent.ask("/service-info").body))
    assert (info.service_type, info.capabilities) == ("agent", ("icmp", "trace"))
    assert decode.parse(agent.ask("/ready").body) == {"ready": True}
    text = agent.ask("/metrics").body.decode()
    assert "hopmap_agent_targets_probed_total 10\n" in text
    missing = agent.ask("/nothing")
    assert (missing.status, decode.parse(missing.body)["error"]) == (404, "not_found")
    soon(lambda: agent.statistics()["results"]["delivered"] == 10, "the count")
    agent.end()


def test_the_health_port_survives_idlers_and_nonsense(agent: Any, services: Any, soon: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    agent.start(f"--health-check-port={port}")
    soon(lambda: agent.ask("/health").status == 200, "health")
    idlers = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        refused = soon(lambda: exchange(port, b"BREW / HTTP/1.1\r\n\r\n"), "an answer")
        assert refused.split()[1] == b"501"
        assert b'"error":"not_implemented"' in refused
        assert b'"error":"bad_request"' in exchange(port, b"\0\xff \r\n\r\n")
        assert exchange(port, b"HEAD /health HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
    finally:
        for idler in idlers:
            idler.close()
    assert agent.end()[0] == 0


def exchange(port: int, request: bytes) -> bytes:
    """What came back, empty when it was turned away."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as talk:
        try:
            talk.sendall(request)
            talk.shutdown(socket.SHUT_WR)
            found = b""
            while piece := talk.recv(65_536):
                found += piece
        except OSError:
            return b""
        return found


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", "command -v promtool"], check=False, capture_output=True).returncode != 0,
    reason="needs promtool",
)
def test_promtool_has_nothing_to_say(agent: Any, services: Any, soon: Any) -> None:
    agent.start()
    text = soon(lambda: agent.ask("/metrics").body, "metrics")
    checked = subprocess.run(["promtool", "check", "metrics"], check=False, input=text, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    agent.end()


def test_a_lab_that_goes_away_ends_it_with_a_sentence(agent: Any, services: Any, lab: Any, soon: Any) -> None:
    agent.start()
    soon(lambda: agent.ask("/health").status == 200, "health")
    lab.close()
    assert agent.process is not None
    said = agent.process.communicate(timeout=15)[1]
    assert agent.process.returncode == 2
    assert "probing is not possible any more" in said


def test_systemd_hears_ready_watchdog_and_stopping(agent: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        agent.start()
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"WATCHDOG=1"
        agent.end()
        words = [systemd.recv(100)]
        while words[-1] != b"STOPPING=1":
            words.append(systemd.recv(100))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--input-file=missing.txt"], "cannot read input_file missing.txt: No such file or directory"),
        (["--transport=unix:///nowhere/lab"], "the lab does not answer at /nowhere/lab"),
        (["--opt-outs=missing.txt"], "cannot read opt_outs missing.txt"),
        (["--token-file=missing.txt"], "cannot read token_file missing.txt"),
        (["--state-dir=/proc/nowhere"], "cannot make the directory"),
        (["--output-file=/proc/nowhere/x"], "cannot write output_file"),
        (["--interval-seconds=soon"], "--interval-seconds must be a number, not 'soon'"),
        (["--config=missing.yaml"], "cannot read missing.yaml"),
        (["--contact=me"], "contact 'me' must be"),
        (["--colour=red"], "unrecognized arguments: --colour=red"),
    ],
)
def test_what_a_person_can_mend_is_one_line_and_exit_2(agent: Any, flags: list[str], said: str) -> None:
    process = agent.start(*flags)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert said in error
    assert len(error.splitlines()) == 1


def test_two_agents_do_not_share_a_directory(agent: Any, services: Any, soon: Any) -> None:
    agent.start()
    soon(lambda: agent.ask("/health").status == 200, "health")
    first = agent.process
    second = agent.start(f"--unix={agent.folder}/other.sock")
    _, error = second.communicate(timeout=20)
    agent.process = first
    assert second.returncode == 2
    assert (
        error
        == f"hopmap agent: {agent.folder}/state is in use by another agent: stop it, or give another with --state-dir\n"
    )
    assert agent.end(signal.SIGKILL)[0] == -signal.SIGKILL
    agent.start()
    soon(lambda: agent.ask("/health").status == 200, "health once more")
    assert agent.end()[0] == 0


def test_a_port_in_use_is_told(agent: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = agent.start(f"--health-check-port={port}")
        _, error = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in error


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: there must be privileges to give up")
def test_without_privilege_it_probes_as_it_may_and_says_how(agent: Any, services: Any, soon: Any) -> None:
    services.targets = ["8.0.0.1"]  # beyond loopback, so the guard stops it
    agent.start("--transport=kernel", before=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
    refused = soon(lambda: (told := agent.statistics())["packets"]["refused"] and told, "its probe is refused")
    code, said = agent.end()
    assert code == 0, said
    assert re.match(r"(ping socket|UDP), for want of CAP_NET_RAW.*, loopback only", refused["transport"])
    assert f'transport="{refused["transport"]}"' in said
    assert 'warning agent no_contact effect="no public address is probed" advice="give contact, such as mailto:' in said
    assert refused["packets"]["sent"] == 0


def test_help_shows_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hopmap", "agent", "--help"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "hopmap agent --config config.yaml --once" in done.stdout
    assert "--cooldown-minutes" in done.stdout
