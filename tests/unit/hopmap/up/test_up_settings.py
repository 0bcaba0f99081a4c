"""What `hopmap up` refuses before it starts anything, and what it would start."""

import argparse
import io
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hopmap import config
from hopmap.errors import UserError
from hopmap.up import checks, consent
from hopmap.up.config import UpSettings
from hopmap.up.parts import Part, Places, agent_configs, plan


def settings(**flags: str) -> UpSettings:
    return config.load(UpSettings, "up", argparse.Namespace(**flags), {})


PLACES = Places(Path("/data"), Path("/run/x"))


def test_parts_start_services_first_and_probers_last() -> None:
    def waves(chosen: UpSettings) -> list[list[str]]:
        return [[part.name for part in parts] for parts in plan(chosen, PLACES)]

    assert waves(settings()) == [["input"], ["output"], ["gateway", "manager", "lab"]]
    internet = settings(world="internet", contact="mailto:you@example.org", agents="2")
    assert waves(internet) == [["input"], ["output"], ["gateway", "manager"], ["agent-0"], ["agent-1"]]


def planned(chosen: UpSettings) -> dict[str, Part]:
    return {part.name: part for parts in plan(chosen, PLACES) for part in parts}


def test_every_part_is_told_of_the_others() -> None:
    chosen = settings(input_port="1001", output_port="1002", output_health_port="1003", manager_port="1004", seed="9")
    by_name = planned(chosen)
    assert "--unix=/run/x/input.sock" in by_name["input"].argv
    assert "--input-url=unix:///run/x/input.sock" in by_name["output"].argv
    assert {"--inputs=http://127.0.0.1:1001", "--outputs=http://127.0.0.1:1003"} <= set(by_name["manager"].argv)
    assert "--gateway=/run/x/gateway.sock" in by_name["manager"].argv
    gateway = by_name["gateway"]
    assert {"--host=127.0.0.1", "--port=8095", "--admin-unix=/run/x/gateway.sock"} <= set(gateway.argv)
    assert {"--inputs=unix:///run/x/input.sock", "--outputs=unix:///run/x/output.sock"} <= set(gateway.argv)
    assert "--control-file=/data/manager/control.json" in gateway.argv
    assert "--plain-http" not in gateway.argv
    assert gateway.ready == "unix:///run/x/gateway.sock"
    assert by_name["manager"].ready == "http://127.0.0.1:1004"
    lab = by_name["lab"].argv
    assert {"--workers=3", "--seed=9", "--transport=auto"} <= set(lab[: lab.index("--")])
    assert lab[-1] == "/data/agents/agent-{worker}.yaml"


def test_lab_agents_reach_the_services_over_unix_sockets_and_have_a_home_each() -> None:
    configs = {path.name: yaml.safe_load(text) for path, text in agent_configs(settings(agents="2"), PLACES).items()}
    assert sorted(configs) == ["agent-0.yaml", "agent-1.yaml"]
    for number in (0, 1):
        keys = configs[f"agent-{number}.yaml"]
        assert keys["input_file"] == "unix:///run/x/input.sock"
        assert keys["output_file"] == "unix:///run/x/output.sock"
        assert keys["state_dir"] == f"/data/agents/agent-{number}"
        assert keys["health_check_port"] == 0


def test_on_the_internet_agents_are_polite_and_say_who_asks() -> None:
    chosen = settings(world="internet", contact="mailto:you@example.org")
    assert list(planned(chosen)) == ["input", "output", "gateway", "manager", "agent-0"]
    (text,) = agent_configs(chosen, PLACES).values()
    keys = yaml.safe_load(text)
    assert keys["contact"] == "mailto:you@example.org"
    assert (keys["unix"], planned(chosen)["agent-0"].ready) == ("/run/x/agent-0.sock", "unix:///run/x/agent-0.sock")
    assert keys["packets_per_second"] <= 50
    assert keys["per_prefix_per_second"] == 0.1
    assert keys["per_router_per_second"] == 1.0
    assert not {"interval_seconds", "batch_targets"} & set(keys)


def test_parts_can_not_share_a_port() -> None:
    with pytest.raises(UserError, match="two parts can't share a port"):
        settings(manager_port="8080")
    with pytest.raises(UserError, match="two parts can't share a port"):
        settings(gateway_port="8080")


def test_workers_in_the_network_come_only_where_that_is_asked_for() -> None:
    chosen = settings(world="internet", contact="mailto:you@example.org", lan="192.168.1.5")
    assert {"--host=192.168.1.5", "--plain-http"} <= set(planned(chosen)["gateway"].argv)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0", "8.8.8.8", "100.64.0.1", "::1", "my-host", "", "10.0.0.0/8"]
)
def test_a_network_that_is_not_private_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"lan: .* is no private address .* TLS front"):
        config.build(UpSettings, {"world": "internet", "contact": "mailto:you@example.org", "lan": address})


def test_no_worker_elsewhere_takes_the_targets_of_the_lab() -> None:
    with pytest.raises(UserError, match="say --world internet"):
        settings(lan="192.168.1.5")


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.77 is no address of this machine"):
        checks.check_ports({"--gateway-port": 8095}, "192.0.2.77")


@pytest.mark.parametrize(
    ("contact", "says"),
    [
        (None, "needs a contact"),
        ("", "needs a contact"),
        ("you@example.org", "must be like mailto:"),
        ("http://example.org", "must be like mailto:"),
        ("mailto:a@b\nX-Forged: 1", "must be like mailto:"),
    ],
)
def test_the_internet_is_not_mapped_without_a_contact(contact: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        checks.check_contact("internet", contact)


def test_the_lab_needs_no_contact() -> None:
    checks.check_contact("lab", None)
    checks.check_contact("internet", "https://example.org/probes")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def asked(answers: io.StringIO, **flags: str) -> str:
    shown = io.StringIO()
    chosen = settings(world="internet", contact="mailto:you@example.org", **flags)
    consent.ask(chosen, Path("/data"), shown, answers)
    return shown.getvalue()


def test_before_the_internet_is_probed_it_is_said_who_what_how_fast_and_in_whose_name() -> None:
    text = asked(Terminal("y\n"))
    for said in (
        "real internet",
        "1 agent",
        "19,000 addresses",
        "20 packets/s",
        "0.1 packet/s to a /24",
        "mailto:you@example.org",
        "/data",
    ):
        assert said in text


@pytest.mark.parametrize("word", ["", "\n", "n\n", "no\n", "yo\n"])
def test_anything_but_yes_is_a_no(word: str) -> None:
    with pytest.raises(UserError, match="not started"):
        asked(Terminal(word))


def test_without_a_terminal_only_the_flag_says_yes() -> None:
    with pytest.raises(UserError, match="say --yes"):
        asked(io.StringIO("y\n"))
    assert "Go on?" not in asked(io.StringIO(), yes="true")


def test_missing_packages_are_named_with_what_to_install() -> None:
    checks.check_packages()
    with pytest.raises(UserError, match=r"need no_such_package: install with pip install 'hopmap\[manager\]'"):
        checks.check_packages(("json", "no_such_package"))


def test_a_port_in_use_is_named_with_the_flag_that_changes_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} is in use.*--output-port"):
            checks.check_ports({"--output-port": port})


def test_one_run_at_a_time_in_a_data_directory(tmp_path: Path) -> None:
    again = checks.locked(tmp_path)
    with checks.locked(tmp_path), pytest.raises(UserError, match=r"another hopmap up \(process \d+\) uses"):
        again.__enter__()
    with checks.locked(tmp_path):
        pass


def test_each_world_has_a_place_of_its_own() -> None:
    assert settings().directory() == Path("hopmap-data").absolute()
    assert settings(world="internet", contact="mailto:a@b.c").directory() == Path("hopmap-internet").absolute()
    assert settings(data_dir="/srv/map").directory() == Path("/srv/map")


def test_maps_of_two_worlds_never_mix(tmp_path: Path) -> None:
    lab, other, internet = (one.mapped() for one in (settings(), settings(seed="12"), settings(world="internet")))
    for kept, wanted in ((lab, internet), (lab, other), (internet, lab)):
        checks.note_world(tmp_path, kept)
        checks.check_world(tmp_path, kept)
        with pytest.raises(UserError, match=f"holds a map of {kept}, which must not mix with one of {wanted}: give"):
            checks.check_world(tmp_path, wanted)


def test_a_map_without_a_note_is_what_its_agents_probed(tmp_path: Path) -> None:
    lab, internet = settings(), settings(world="internet", contact="mailto:a@b.c")
    checks.check_world(tmp_path, internet.mapped())
    (tmp_path / "agents").mkdir()
    for kept, refused in ((lab, internet), (internet, lab)):
        ((path, text),) = agent_configs(replace(kept, agents=1), Places(tmp_path, tmp_path)).items()
        path.write_text(text)
        checks.check_world(tmp_path, kept.mapped())
        with pytest.raises(UserError, match="must not mix"):
            checks.check_world(tmp_path, refused.mapped())


def test_a_data_directory_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the directory"), checks.locked(tmp_path / "file" / "data"):
        pass


def test_sockets_are_in_a_short_data_directory_and_go_with_the_run(tmp_path: Path) -> None:
    short = tmp_path / "d"
    short.mkdir()
    if not checks.fits(short / "sockets"):
        pytest.skip("the temporary directory's own path is long here")
    with checks.socket_directory(short, {}) as made:
        assert made == short / "sockets"
        assert made.stat().st_mode & 0o777 == 0o700
    assert list(short.iterdir()) == []


def test_a_long_data_directory_gets_a_short_place_for_its_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    runtime = tmp_path / "r"
    runtime.mkdir()
    if not checks.fits(runtime / "hopmap-up-12345678"):
        pytest.skip("the temporary directory's own path is long here")
    with checks.socket_directory(deep, {"XDG_RUNTIME_DIR": str(runtime)}) as made:
        assert made.parent == runtime
        assert checks.fits(made)
    assert list(runtime.iterdir()) == []
    assert list(deep.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    left = tmp_path / "hopmap-up-0a0b0c0d"
    left.mkdir()
    (left / "input.sock").write_text("")
    (deep / "sockets.at").write_text(f"{left}\n")
    with checks.socket_directory(deep, {"XDG_RUNTIME_DIR": "/tmp"}):
        assert not left.exists()


def test_a_note_that_names_another_directory_removes_nothing(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "sockets.at").write_text(f"{precious}\n")
    with checks.socket_directory(tmp_path, {"XDG_RUNTIME_DIR": "/tmp"}):
        assert precious.exists()
