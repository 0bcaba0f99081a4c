"""`hopmap data fetch` against a server on loopback, and from files: what it writes, refuses, and leaves alone."""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from hopmap import addresses
from hopmap.data import cloud, command, feeds, fetch
from hopmap.errors import UserError

DAY = date(2026, 11, 23)


class Mirror:
    """Feeds on loopback: `files` by name, with an ETag each; what was asked for is in `asked`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append((self.path, self.headers["If-None-Match"]))
                status, headers, body = mirror.answer(self.path.lstrip("/"), self.headers["If-None-Match"])
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base gives it
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, name: str, known: str | None) -> tuple[int, dict[str, str], bytes]:
        if name in self.answers:
            return self.answers[name]
        if name not in self.files:
            return 404, {}, b"no such file"
        tag = f'"{hashlib.sha256(self.files[name]).hexdigest()[:12]}"'
        return (304, {"ETag": tag}, b"") if known == tag else (200, {"ETag": tag}, self.files[name])

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    made = Mirror()
    yield made
    made.close()


def aws(*rows: tuple[str, str]) -> bytes:
    return json.dumps({"prefixes": [{"ip_prefix": cidr, "region": region} for cidr, region in rows]}).encode()


WIDE_AWS = aws(*((f"{first}.0.0.0/8", f"r-{first}") for first in (3, 13, 15, 18, 34, 35, 44, 52, 54)))
CLOUDFLARE = b"104.16.0.0/12\n162.158.0.0/15\n172.64.0.0/13\n"


def run(*argv: str) -> int:
    return command.run(["fetch", *argv])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_a_refresh_replaces_what_was_fetched_and_keeps_the_rest(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.files = {"aws.json": WIDE_AWS, "cloudflare.txt": CLOUDFLARE}
    into = tmp_path / "deep" / "data"
    assert run("aws", "cloudflare", "--mirror", mirror.url, "--into", str(into)) == 0
    table, packaged = cloud.read(into / "cloud.bin"), cloud.load()
    found = table.lookup(addresses.number("52.1.2.3"))
    assert found is not None
    assert (found.provider, found.region) == ("aws", "r-52")
    assert {one.region for one in table.prefixes if one.provider == "aws"} == {
        f"r-{first}" for first in (3, 13, 15, 18, 34, 35, 44, 52, 54)
    }
    for kept in (one for one in packaged.prefixes if one.provider not in {"aws", "cloudflare"}):
        found = table.lookup(kept.network)
        assert found is not None
        assert (found.provider, found.region) == (kept.provider, kept.region)
    assert "providers' feeds (aws " in table.source
    assert packaged.source in table.source
    record = json.loads((into / "cloud.json").read_bytes())
    assert record["sha256"] == hashlib.sha256((into / "cloud.bin").read_bytes()).hexdigest()
    row = record["feeds"]["aws"]
    assert row["source"] == f"{mirror.url}/aws.json"
    assert row["sha256"] == hashlib.sha256(WIDE_AWS).hexdigest()
    assert row["date"] == table.date
    assert row["licence"]
    assert "aws: 9 prefixes, 150,994,944 addresses, 9 regions" in capsys.readouterr().out
    assert sorted(files_of(into)) == ["cloud.bin", "cloud.json"]


def test_what_did_not_change_is_not_sent_or_written_again(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    assert run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert "cloudflare: unchanged" in capsys.readouterr().out
    assert mirror.asked[0][1] is None
    assert mirror.asked[1][1] is not None
    mirror.files["other/cloudflare.txt"] = CLOUDFLARE
    assert run("cloudflare", "--mirror", f"{mirror.url}/other", "--into", str(tmp_path)) == 0
    assert mirror.asked[2] == ("/other/cloudflare.txt", None)  # an ETag means something only to who gave it
    (tmp_path / "cloud.bin").unlink()
    assert run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 0
    assert mirror.asked[-1][1] is None  # the table that this version was for is gone
    assert (tmp_path / "cloud.bin").exists()


def test_the_table_before_is_kept(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    first = (tmp_path / "cloud.bin").read_bytes()
    mirror.files = {"cloudflare.txt": CLOUDFLARE + b"8.8.8.0/24\n"}
    assert run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 0
    assert (tmp_path / "cloud.previous.bin").read_bytes() == first
    assert cloud.read(tmp_path / "cloud.bin").lookup(addresses.number("8.8.8.8")) is not None


def test_one_that_fails_does_not_stop_the_others(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE, "aws.json": b"<html>busy</html>"}
    assert run("aws", "gcp", "cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 1
    told = capsys.readouterr()
    assert [line.split(":")[0] for line in told.err.splitlines()] == ["aws", "gcp"]
    assert "not JSON, perhaps an error page" in told.err
    assert "answered 404; try again later" in told.err
    table = cloud.read(tmp_path / "cloud.bin")
    kept = [one for one in cloud.load().prefixes if one.provider == "gcp"]
    assert {one.provider for one in table.prefixes} >= {"aws", "gcp", "cloudflare"}
    assert cloud.size(one for one in table.prefixes if one.provider == "gcp") == cloud.size(kept)
    assert json.loads((tmp_path / "cloud.json").read_bytes())["feeds"].keys() == {"cloudflare"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((302, {"Location": "http://192.0.2.1/feed"}, b""), "points to 'http://192.0.2.1/feed', which is not followed"),
        ((500, {}, b"oops"), "answered 500"),
        ((304, {}, b""), "answered 304"),
        ((200, {"Content-Length": "999"}, CLOUDFLARE), "IncompleteRead"),
        ((200, {}, b"8.8.8.0/24\n" * 100), "more than 1000 bytes"),
        ((200, {}, b""), "no IPv4 prefix in it"),
        ((200, {}, b"8.8.8.0/24\n"), "256 addresses where there were 1,703,936"),
    ],
    ids=["redirect", "error", "304 unasked", "truncated", "huge", "empty", "shrunk"],
)
def test_a_bad_answer_leaves_the_folder_alone(
    mirror: Mirror,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    answer: tuple[int, dict[str, str], bytes],
    why: str,
) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    (tmp_path / "cloud.json").unlink()  # so that the next call is not a conditional one
    before = files_of(tmp_path)
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    mirror.answers = {"cloudflare.txt": answer}
    assert run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path)) == 1
    told = capsys.readouterr().err
    assert told.startswith("cloudflare: ")
    assert why in told
    assert told.count("\n") == 1
    assert files_of(tmp_path) == before


def test_a_shrink_is_taken_when_it_is_allowed(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"cloudflare.txt": b"8.8.8.0/24\n"}
    argv = ("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    assert run(*argv) == 1
    assert run(*argv, "--allow-shrink") == 0
    mirror.files = {"cloudflare.txt": b"8.8.8.0/25\n"}  # now against the record
    assert run(*argv) == 1
    mirror.files = {"cloudflare.txt": b"8.8.8.0/25\n8.8.8.128/26\n8.8.8.192/28\n"}
    assert run(*argv) == 0  # 81 % of what there was


def test_nobody_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("aws", "--mirror", "http://127.0.0.1:1", "--into", str(tmp_path)) == 1
    assert "aws: http://127.0.0.1:1: Connection refused; try again later" in capsys.readouterr().err
    assert not files_of(tmp_path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://192.0.2.1/x", "give an https address"),
        ("ftp://192.0.2.1/x", "is no URL: give one that begins with https://"),
        ("mirror", "'mirror/aws.json' is no URL: give one that begins with https://"),
        ("https://[::1/x", "Invalid IPv6 URL"),
        ("https://user@192.0.2.1/x", "must hold no user"),
        ("http://127.0.0.1:1/\u00e9", "letters that no URL has"),
    ],
)
def test_urls_that_are_not_asked(
    url: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fetch, "Client")  # so that a broken check can't reach out
    assert run("aws", "--mirror", url, "--into", str(tmp_path)) == 1
    assert why in capsys.readouterr().err


def test_files_downloaded_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, into = tmp_path / "from", tmp_path / "into"
    source.mkdir()
    (source / "cloudflare.txt").write_bytes(CLOUDFLARE)
    (source / "aws.json").write_bytes(WIDE_AWS)
    assert run("--from-dir", str(source), "--into", str(into)) == 0
    assert json.loads((into / "cloud.json").read_bytes())["feeds"].keys() == {"aws", "cloudflare"}
    assert run("aws", "oracle", "--from-dir", str(source), "--into", str(into)) == 1
    told = capsys.readouterr()
    assert "aws: unchanged" in told.out
    assert "oracle: cannot read" in told.err
    (source / "oracle.json").write_bytes(b" " * (feeds.MAX_BYTES + 1))
    assert run("oracle", "--from-dir", str(source), "--into", str(into)) == 1
    assert "larger than 32 MiB" in capsys.readouterr().err


def test_azure_by_file_and_by_url(mirror: Mirror, tmp_path: Path) -> None:
    tags = [
        {"name": f"AzureCloud.r{n}", "properties": {"region": f"r{n}", "addressPrefixes": [f"{n}.0.0.0/8"]}}
        for n in (13, 20, 40, 52)
    ]
    content = json.dumps({"values": tags}).encode()
    path = tmp_path / "ServiceTags_Public_20261116.json"
    path.write_bytes(content)
    assert run("azure", "--azure", str(path), "--into", str(tmp_path / "file")) == 0
    mirror.files = {path.name: content}
    assert run("azure", "--azure", f"{mirror.url}/{path.name}", "--into", str(tmp_path / "url")) == 0
    assert run("--from-dir", str(tmp_path), "--azure", str(path), "--into", str(tmp_path / "folder")) == 0
    for name in ("file", "url", "folder"):
        found = cloud.read(tmp_path / name / "cloud.bin").lookup(addresses.number("20.0.0.9"))
        assert found is not None
        assert (found.provider, found.region) == ("azure", "r20")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["nowhere"], "no feed of 'nowhere' is known: choose from aws, gcp"),
        (["azure"], "changes each week: find it at https://"),
        (["--from-dir", "."], "download them, or mend --from-dir"),
        (["--from-dir", ".", "--azure", "https://192.0.2.1/x.json"], "give Azure's file, not its URL"),
    ],
)
def test_what_cannot_be_done_is_said(
    argv: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=why):
        run(*argv)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("cloud.bin", b"not a table", "remove it to begin with the packaged table"),
        ("cloud.json", b"{", "remove it, and fetch again"),
        ("cloud.json", b"[]", "remove it, and fetch again"),
        ("cloud.json", b'{"sha256": "x", "feeds": {"aws": {"source": 5}}}', None),
    ],
)
def test_a_damaged_folder(mirror: Mirror, tmp_path: Path, name: str, content: bytes, why: str | None) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    argv = ("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    run(*argv)
    (tmp_path / name).write_bytes(content)
    before = files_of(tmp_path)
    if why is None:  # a record of another table: no part of it is believed
        assert run(*argv) == 0
        assert mirror.asked[-1][1] is None
        return
    with pytest.raises(UserError, match=why):
        run(*argv)
    assert files_of(tmp_path) == before


def test_a_record_of_wrong_types(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    argv = ("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    run(*argv)
    record: dict[str, Any] = json.loads((tmp_path / "cloud.json").read_bytes())
    record["feeds"]["cloudflare"]["addresses"] = "many"
    (tmp_path / "cloud.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="TypeError"):
        run(*argv)


def test_a_write_that_fails_is_told_and_leaves_nothing(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    before = files_of(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    mirror.files = {"cloudflare.txt": CLOUDFLARE + b"8.8.8.0/24\n"}
    with pytest.raises(UserError, match="No space left on device; give another with --into"):
        run("cloudflare", "--mirror", mirror.url, "--into", str(tmp_path))
    assert files_of(tmp_path) == before


def test_a_damaged_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "FILE", "none.bin")
    with pytest.raises(UserError, match="install hopmap again"):
        run("aws", "--mirror", "http://127.0.0.1:1", "--into", str(tmp_path))


def test_where_a_users_data_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert fetch.default_folder({"XDG_DATA_HOME": "/data"}) == Path("/data/hopmap")
    assert fetch.default_folder({"XDG_DATA_HOME": "relative"}) == Path("/home/somebody/.local/share/hopmap")
    assert fetch.default_folder({}) == Path("/home/somebody/.local/share/hopmap")


def test_without_names_all_but_azure_are_asked(mirror: Mirror, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    fetch.add_arguments(parser)
    given = parser.parse_args(["--mirror", mirror.url])
    assert fetch.run(given, {"XDG_DATA_HOME": str(tmp_path)}, DAY) == 1
    assert {path for path, _ in mirror.asked} == {f"/{feed.file}" for feed in feeds.FEEDS}
    assert not (tmp_path / "hopmap").exists()


def test_the_whole_command_and_an_input_that_begins_with_its_table(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files = {"cloudflare.txt": CLOUDFLARE}
    argv = [sys.executable, "-m", "hopmap", "data", "fetch", "cloudflare", "--mirror", mirror.url]
    done = subprocess.run([*argv, "--into", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cloudflare: 3 prefixes, 1,703,936 addresses, 0 regions\nwrote ")

    from services.input.command import starting_points  # noqa: PLC0415 - only this test is of the input
    from services.input.config import InputSettings  # noqa: PLC0415

    table = str(tmp_path / "cloud.bin")
    prefixes, seeds = starting_points(InputSettings(seeds=(table,), seed_budget=500))
    assert len(seeds) == 500
    assert {one.provider for one in prefixes} >= {"aws", "cloudflare"}
    with pytest.raises(UserError, match="cannot read"):
        starting_points(InputSettings(seeds=(str(tmp_path / "none.bin"),)))
    (tmp_path / "cut.bin").write_bytes((tmp_path / "cloud.bin").read_bytes()[:-9])
    with pytest.raises(UserError, match="is damaged"):
        starting_points(InputSettings(seeds=(str(tmp_path / "cut.bin"),)))


def test_a_feed_that_drips_is_given_up() -> None:
    over = Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while not over.wait(0.02):
                self.wfile.write(b" ")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with pytest.raises(fetch.Refused, match=r"not had within 0\.3 s; try again later"):
            fetch.from_network(f"http://127.0.0.1:{server.server_address[1]}/aws.json", None, seconds=0.3)
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
