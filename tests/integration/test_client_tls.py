"""The client over TLS: whom it believes, and that all connections share one store of certificates."""

import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap import client
from hopmap.client import Client, Endpoint, Unreachable


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that hangs up is part of this
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_refused(port: int) -> None:
    client._tls.cache_clear()
    with (
        Client(Endpoint.parse(f"https://localhost:{port}")) as one,
        pytest.raises(Unreachable, match=r"(?i)certificate"),
    ):
        one.request("GET")


def test_one_that_the_machine_knows_is_believed_for_its_name_alone(
    port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    client._tls.cache_clear()
    for _ in range(2):
        with Client(Endpoint.parse(f"https://localhost:{port}")) as one:
            assert one.request("GET").body == b"hello"
    with (
        Client(Endpoint.parse(f"https://127.0.0.1:{port}")) as one,
        pytest.raises(Unreachable, match=r"(?i)certificate"),
    ):
        one.request("GET")
    assert client._tls.cache_info().misses == 1
    client._tls.cache_clear()
