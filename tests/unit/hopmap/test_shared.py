"""Addresses, identity, whole writes, logs, notify and the command's front door."""

import logging
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap import __main__ as front
from hopmap import __version__, addresses, identity, logs, systemd
from hopmap.errors import UserError, one_line


@given(st.integers(0, 2**32 - 1))
def test_an_address_has_one_text(number: int) -> None:
    assert addresses.number(addresses.text(number)) == number


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.4 ", "1.2.3.٤", "::1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        addresses.number(text)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_a_prefix_has_one_text(network: int, length: int) -> None:
    text = addresses.prefix_text(network, length)
    assert addresses.prefix_text(*addresses.prefix(text)) == text


def test_prefixes() -> None:
    assert addresses.prefix("192.0.2.1") == (0xC0000201, 32)
    assert addresses.prefix("0.0.0.0/0") == (0, 0)
    for text in ["192.0.2.0/", "192.0.2.0/33", "192.0.2.0/+8", "192.0.2.0/024"]:
        with pytest.raises(ValueError, match="prefix length"):
            addresses.prefix(text)
    with pytest.raises(ValueError, match=r"host bits set: the prefix is 192\.0\.2\.0/24"):
        addresses.prefix("192.0.2.9/24")


def test_an_instance_id_survives(tmp_path: Path) -> None:
    first = identity.instance_id(tmp_path / "state", "input")
    assert first.startswith("input-")
    assert identity.instance_id(tmp_path / "state", "input") == first
    assert identity.instance_id(tmp_path / "other", "input") != first
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_damaged_instance_id_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / "instance-id").write_text("???")
    with pytest.raises(UserError, match="holds no instance id: restore it, or remove it"):
        identity.instance_id(tmp_path, "input")
    (tmp_path / "instance-id").unlink()
    (tmp_path / "instance-id").mkdir()
    with pytest.raises(UserError, match="cannot read"):
        identity.instance_id(tmp_path, "input")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the directory"):
        identity.make_directory(tmp_path / "file" / "below")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    identity.write_whole(tmp_path / "kept", b"old")
    with pytest.raises(OSError, match="No such file"):
        identity.write_whole(tmp_path / "missing" / "kept", b"new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        identity.write_whole(tmp_path / "folder", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "kept"]
    assert (tmp_path / "kept").read_bytes() == b"old"


def test_a_log_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.start("input", verbose=True)
        log = logging.getLogger("test")
        logs.event(log, logging.INFO, "hop_refused", address="1.2.3.4", why='a "quoted"\nerror forged', empty="")
        log.error("went wrong", exc_info=ValueError("two\nlines"))
        logs.start("input", verbose=False)
        logs.event(log, logging.INFO, "quiet")
    finally:
        root.handlers[:], root.level = before
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("info input hop_refused address=1.2.3.4 why=")
    assert lines[0].endswith('empty=""')
    assert lines[1] == "error input went wrong error=ValueError: two\\nlines"


def test_systemd_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        assert systemd.notify("READY=1", {"NOTIFY_SOCKET": path})
        assert receiver.recv(100) == b"READY=1"
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert not systemd.notify("READY=1", {})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0hopmap-test-{os.getpid()}")
        assert systemd.notify("STOPPING=1", {"NOTIFY_SOCKET": f"@hopmap-test-{os.getpid()}"})
        assert receiver.recv(100) == b"STOPPING=1"


def test_the_watchdog_is_fed_twice_in_its_time() -> None:
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "30000000"}) == 15.0
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 15.0
    assert systemd.watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    assert systemd.watchdog_seconds({}) is None


def test_an_error_is_one_line() -> None:
    assert one_line(ValueError("two\n  lines")) == "two lines"
    assert one_line(ValueError()) == "ValueError"


def test_hopmap_tells_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"]):
        assert front.main(arguments) == 0
        shown = capsys.readouterr().out
        for name, command in front.COMMANDS.items():
            assert f"  {name} " in shown
            assert command.summary in shown
    assert front.main(["--version"]) == 0
    assert capsys.readouterr().out == f"hopmap {__version__}\n"


def test_an_unknown_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["agnet"]) == 2
    assert capsys.readouterr().err == "hopmap agnet: there is no command 'agnet': did you mean 'agent'?\n"
    assert front.main(["xyzzy"]) == 2
    assert "run it without a command to see them all" in capsys.readouterr().err


@pytest.mark.parametrize("name", front.COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        front.main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: hopmap {name}" in shown
    assert "examples:" in shown


def test_a_missing_package_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError("No module named 'bottle'", name="bottle")

    monkeypatch.setattr(front, "import_module", missing)
    assert front.main(["input"]) == 2
    assert capsys.readouterr().err == (
        "hopmap input: 'hopmap input' needs the package bottle: install with pip install 'hopmap[services]'\n"
    )


@pytest.mark.parametrize("arguments", [["data"], ["--help"]])
def test_a_reader_that_goes_away_is_no_traceback(arguments: list[str]) -> None:
    nobody, end = os.pipe()
    os.close(nobody)
    done = subprocess.run(
        [sys.executable, "-m", "hopmap", *arguments], stdout=end, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(front, "load", lambda name, commands: interrupted)
    assert front.main(["up"]) == 130
