"""A service on the chassis and the client, over real sockets: errors, scopes, limits, an orderly end."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bottle
import pytest

from hopmap.client import Client, Endpoint, Response, Unreachable
from hopmap.errors import UserError
from services.chassis.listen import Address, Bounds, Listener

SERVICE = """
import sys, time
from hopmap.wire.service_info import ServiceInfo
from pathlib import Path
from services.chassis import app as chassis, auth, body, listen

folder = Path(sys.argv[1])
tokens = auth.read_tokens(folder / "tokens") if (folder / "tokens").exists() else auth.Tokens()
service = chassis.Service(
    ServiceInfo("input", "0.1.0", "input-1"), lambda: {"kettles": 3}, lambda: "the water is cold", tokens
)
app = chassis.make_app(service)

@app.post("/echo", scope="agent")
def echo():
    return chassis.answer({"got": body.read_json(1_000, 10_000)})

@app.get("/fail", scope="agent")
def fail():
    raise RuntimeError("a secret of the inside")

@app.get("/slow", scope="agent")
def slow():
    (folder / "slow").touch()
    time.sleep(1)
    return chassis.answer({"slept": True})

where = listen.addresses("127.0.0.1", int(sys.argv[2]), str(folder / "x.sock"))
listeners = [listen.Listener(app, one, listen.Bounds()) for one in where]
sys.exit(listen.run(service, listeners, lambda: (folder / "closed").touch()))
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_for(client: Client) -> None:
    for _ in range(200):
        try:
            client.request("GET", "/health")
        except Unreachable:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the service never answered")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    port = free_port()
    (tmp_path / "tokens").write_text("agent agent-token-0123456789\nadmin admin-token-0123456789\n")
    process = subprocess.Popen([sys.executable, "-c", SERVICE, str(tmp_path), str(port)])
    try:
        with Client(Endpoint.parse(f"http://127.0.0.1:{port}")) as client:
            wait_for(client)
        yield process, port, tmp_path
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def clients(service: tuple[subprocess.Popen[bytes], int, Path]) -> Iterator[list[Client]]:
    _, port, folder = service
    urls = [f"http://127.0.0.1:{port}", f"unix://{folder}/x.sock"]
    found = [Client(Endpoint.parse(url), token="agent-token-0123456789") for url in urls]
    yield found
    for client in found:
        client.close()


def error(answer: Response) -> tuple[int, str, str]:
    assert answer.headers["content-type"] == "application/json"
    document = json.loads(answer.body)
    assert set(document) == {"error", "detail"}
    return answer.status, document["error"], document["detail"]


def test_what_every_service_answers(clients: list[Client]) -> None:
    for client in clients:
        health = json.loads(client.request("GET", "/health").body)
        assert health["statistics"] == {"kettles": 3}
        assert health["status"] == "ok"
        assert health["uptime_seconds"] >= 0
        ready = client.request("GET", "/ready")
        assert (ready.status, json.loads(ready.body)["detail"]) == (503, "the water is cold")
        info = json.loads(client.request("GET", "/service-info").body)
        assert (info["service_type"], info["instance_id"]) == ("input", "input-1")
        metrics = client.request("GET", "/metrics").body.decode()
        assert 'hopmap_http_requests_total{method="GET",route="/health",status="200"}' in metrics


def test_a_body_comes_back(clients: list[Client]) -> None:
    for client in clients:
        document = {"a": [1, None, "ä"]}
        raw = json.dumps(document).encode()
        assert json.loads(client.request("POST", "/echo", raw).body) == {"got": document}
        packed = client.request("POST", "/echo", gzip.compress(raw), {"Content-Encoding": "gzip"})
        assert json.loads(packed.body) == {"got": document}


def test_errors_are_json(clients: list[Client], capfd: pytest.CaptureFixture[str]) -> None:
    for client in clients:
        assert error(client.request("GET", "/none")) == (404, "not_found", "there is nothing at /none")
        assert error(client.request("PUT", "/echo"))[0] == 405
        assert error(client.request("POST", "/echo", b"{"))[:2] == (400, "bad_request")
        assert error(client.request("POST", "/echo", b""))[:2] == (400, "bad_request")
        assert error(client.request("POST", "/echo", b'"' + b"x" * 2_000 + b'"'))[:2] == (413, "too_large")
        bomb = gzip.compress(bytes(100_000))
        assert error(client.request("POST", "/echo", bomb, {"Content-Encoding": "gzip"}))[0] == 413
        assert error(client.request("POST", "/echo", b"1", {"Content-Encoding": "br"}))[0] == 415
        assert error(client.request("GET", "/fail", headers={"Authorization": "Bearer \xe4"}))[:2] == (
            400,
            "bad_request",
        )
        status, code, detail = error(client.request("GET", "/fail"))
        assert (status, code) == (500, "internal")
        assert "secret" not in detail


def test_scopes_over_http(service: tuple[subprocess.Popen[bytes], int, Path]) -> None:
    _, port, _ = service
    endpoint = Endpoint.parse(f"http://127.0.0.1:{port}")
    with Client(endpoint) as nobody, Client(endpoint, token="admin-token-0123456789") as admin:
        missing = nobody.request("POST", "/echo", b"1")
        assert error(missing)[:2] == (401, "unauthorized")
        assert missing.headers["www-authenticate"] == "Bearer"
        assert nobody.request("GET", "/metrics").status == 401
        assert nobody.request("GET", "/health").status == 200
        assert error(admin.request("POST", "/echo", b"1"))[:2] == (403, "forbidden")
        assert admin.request("GET", "/metrics").status == 200


def test_sigterm_answers_what_is_in_hand(service: tuple[subprocess.Popen[bytes], int, Path]) -> None:
    process, port, folder = service
    answers: list[Response] = []

    def ask() -> None:
        with Client(Endpoint.parse(f"http://127.0.0.1:{port}"), token="agent-token-0123456789") as client:
            answers.append(client.request("GET", "/slow"))

    asking = threading.Thread(target=ask)
    asking.start()
    while not (folder / "slow").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    asking.join()
    assert [answer.status for answer in answers] == [200]
    assert (folder / "closed").exists()
    assert not (folder / "x.sock").exists()


def test_a_port_or_socket_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken, socket.socket(socket.AF_UNIX) as unix:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"127.0.0.1:{port} is in use: stop what listens there, or choose"):
            Listener(bottle.Bottle(), Address(port=port), Bounds())
        unix.bind(str(tmp_path / "live.sock"))
        unix.listen()
        with pytest.raises(UserError, match=r"live\.sock is in use"):
            Listener(bottle.Bottle(), Address(unix=str(tmp_path / "live.sock")), Bounds())
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"no such file or directory; give a path of at most 107 bytes in an existing folder"
    ):
        Listener(bottle.Bottle(), Address(unix=str(tmp_path / "nowhere" / "x.sock")), Bounds())
    with pytest.raises(UserError, match=r"too long; give a path of at most 107 bytes"):
        Listener(bottle.Bottle(), Address(unix=str(tmp_path / ("x" * 108))), Bounds())
    with pytest.raises(UserError, match="a file that is no socket stands there"):
        Listener(bottle.Bottle(), Address(unix=str(tmp_path / "file")), Bounds())
    with pytest.raises(UserError, match="Not a directory"):
        Listener(bottle.Bottle(), Address(unix=str(tmp_path / "file" / "x.sock")), Bounds())


def test_a_socket_left_by_a_killed_service_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", SERVICE, str(tmp_path), str(free_port())])
        with Client(Endpoint.parse(f"unix://{path}")) as client:
            wait_for(client)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert path.exists()


# -- the client -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host", "must begin with http://HOST"),
        ("http://", "must begin with http://HOST"),
        ("unix://relative/x", "must be unix:///absolute/path"),
        ("http://user@host/", "must hold no user, query or fragment"),
        ("http://host/?q=1", "must hold no user, query or fragment"),
        ("http://host:99999/", "Port out of range"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Endpoint.parse(url)


def test_urls_and_their_paths() -> None:
    assert Endpoint.parse("http://localhost:8081/results", "/other").path == "/results"
    assert Endpoint.parse("http://localhost:8081", "/results").path == "/results"
    assert Endpoint.parse("unix:///run/x.sock", "/results").path == "/results"
    assert Endpoint.parse("unix:///srv/map #1?/x%20.sock").unix == "/srv/map #1?/x%20.sock"
    assert (Endpoint.parse("https://host").port, Endpoint.parse("http://host").port) == (443, 80)


@pytest.mark.parametrize(
    ("url", "networks", "allowed"),
    [
        ("http://127.0.0.1", [], True),
        ("http://[::1]", [], True),
        ("http://localhost", [], True),
        ("unix:///x", [], True),
        ("https://example.org", [], True),
        ("http://example.org", ["10.0.0.0/8"], False),
        ("http://10.1.2.3", [], False),
        ("http://10.1.2.3", ["10.0.0.0/8"], True),
        ("http://11.1.2.3", ["10.0.0.0/8"], False),
    ],
)
def test_a_token_goes_only_where_nobody_listens_in(url: str, networks: list[str], allowed: bool) -> None:
    endpoint = Endpoint.parse(url)
    assert endpoint.guards_token(networks) == allowed
    if allowed:
        Client(endpoint, "token", networks)
    else:
        with pytest.raises(ValueError, match="a token would go in the clear"):
            Client(endpoint, "token", networks)


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    for url in (f"http://127.0.0.1:{free_port()}", f"unix://{tmp_path}/none.sock"):
        with Client(Endpoint.parse(url)) as client, pytest.raises(Unreachable, match=url):
            client.request("GET", "/")


def serve_raw(answers: list[bytes]) -> tuple[int, threading.Thread, list[bytes]]:
    """A server that says `answers`, one a connection, whatever it is asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        with listener:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65_536))
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread, heard


def test_a_connection_that_went_stale_is_opened_anew() -> None:
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nok"
    port, thread, heard = serve_raw([kept, kept])
    with Client(Endpoint.parse(f"http://127.0.0.1:{port}")) as client:
        first = client.request("GET", "/one")
        time.sleep(0.1)
        second = client.request("GET", "/two")
    thread.join()
    assert (first.body, second.body, second.retry_after) == (b"ok", b"ok", 7.0)
    assert [request.split()[1] for request in heard] == [b"/one", b"/two"]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-nonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2_000,
    ],
)
def test_what_is_no_answer_is_unreachable(answer: bytes) -> None:
    port, thread, _ = serve_raw([answer])
    with Client(Endpoint.parse(f"http://127.0.0.1:{port}")) as client, pytest.raises(Unreachable):
        client.request("GET", "/", limit=1_000)
    thread.join()


def test_retry_after_in_words_is_passed_over() -> None:
    assert Response(503, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"").retry_after is None


def test_a_port_in_use_is_told_before_anything_is_begun(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for part in ("input", "output", "manager"):
            command = [sys.executable, "-m", "hopmap", part, f"--port={port}", f"--unix={tmp_path}/x.sock"]
            ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
            assert ended.returncode == 2
            assert ended.stderr == (
                f"hopmap {part}: http://127.0.0.1:{port} is in use: "
                "stop what listens there, or choose another with --port or --unix\n"
            )
    assert list(tmp_path.iterdir()) == []
