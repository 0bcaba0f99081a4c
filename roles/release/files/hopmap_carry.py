"""Hands the results that a newer release took to the release that came back: hopmap_carry.py NEWER ASIDE.

Run by the Python of the release in force. The newer release (its `hopmap` program) reads its own state, for only it
knows the schema; the output in force takes what it does not have yet. Exit code 0 with the number on stdout.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from hopmap.client import Client, Endpoint, Unreachable

SETTINGS, TOKENS = Path("/etc/hopmap/output.yaml"), Path("/etc/hopmap/secrets/output-token_file")
PAGE = 1000


def output_in_force() -> Client:
    """The output of this machine, with a token that may hand in results."""
    settings: dict[str, Any] = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    host = settings.get("host", "127.0.0.1")
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{settings.get('port', 8081)}/results"  # noqa: S104
    token = None
    if TOKENS.exists():
        lines = [line.split("#")[0].split() for line in TOKENS.read_text(encoding="utf-8").splitlines()]
        token = next(words[1] for words in lines if words and "agent" in words[0].split(","))
    return Client(Endpoint.parse(url), token, [f"{host}/32"], timeout=60)


def pages(client: Client, seconds: float) -> Any:
    """What the newer output holds, page by page, once it is up."""
    end, after = time.monotonic() + seconds, ""
    while True:
        try:
            answer = client.request("GET", f"/results?limit={PAGE}{after}")
        except Unreachable:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
            continue
        lines = [json.loads(line) for line in answer.body.splitlines()]
        if answer.status != 200 or not lines:
            return
        yield [line["result"] for line in lines if "result" in line]
        after = f"&after={lines[-1]['cursor']}"


def main() -> int:
    """Carry all of it."""
    newer, aside = sys.argv[1:]
    user = pwd.getpwnam("hopmap-output")
    carried = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        socket = f"{folder}/s"
        flags = ["--port=0", f"--unix={folder}/r", "--health-port=0", f"--health-unix={socket}", f"--db-dir={aside}"]
        program = [newer, "output", *flags, f"--input-url=unix://{folder}/nobody", "--reserve-mb=0"]
        child = subprocess.Popen(program, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd=folder)
        try:
            with Client(Endpoint.parse(f"unix://{socket}"), timeout=60) as source, output_in_force() as target:
                for page in pages(source, 30.0):
                    body = b"\n".join(json.dumps(result).encode() for result in page)
                    answer = target.request("POST", body=body, headers={"Content-Type": "application/x-ndjson"})
                    if answer.status != 200:
                        raise SystemExit(f"the output refuses: {answer.body.decode(errors='replace')[:300]}")
                    carried += json.loads(answer.body)["accepted"]
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{carried} results of the newer release were handed over\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
