"""A gateway's calls, as far as one agent needs them, out of the standard library: what it wants stands in /opt/wanted.

Runs inside the booted host, which has no packages. The gateway itself is tested in tests/integration.
"""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path("/opt")


class Handler(BaseHTTPRequestHandler):
    """GET control, targets and agent; POST enrol, heartbeat and results."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/gateway/control":
            self.answer(200, json.dumps(control()).encode())
        elif path == "/gateway/targets":
            self.answer(204, b"")
        else:
            wanted = [file for file in HERE.glob("*.pyz") if path.endswith(f"/{digest(file)}")]
            self.answer(200 if wanted else 404, wanted[0].read_bytes() if wanted else b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = (HERE / "key").read_text().strip()
        answers = {"/gateway/enrol": {"key": key}, "/gateway/heartbeat": {"node": "bare"}}
        self.answer(200, json.dumps(answers.get(self.path, {})).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def control() -> dict[str, object]:
    """A control document; /opt/wanted names the file that is wanted, if it is there."""
    wanted = HERE / "wanted"
    if not wanted.exists():
        return {"schema": 1, "version": 1}
    file = HERE / wanted.read_text().strip()
    return {"schema": 1, "version": 2, "agent_version": file.stem, "agent_sha256": digest(file)}


def digest(file: Path) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


ThreadingHTTPServer(("127.0.0.1", 8095), Handler).serve_forever()
