"""`stored.py OUTPUT` prints the id of every result that an output holds, once it is ready; a token comes in TOKEN."""

import json
import os
import sys
import time
import urllib.request

_ATTEMPTS = 600  # twice a second


def get(path: str) -> bytes:
    """An answer of the output's health port."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"} if os.environ.get("TOKEN") else {}
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1] + path, headers=headers), timeout=60) as answer:
        return answer.read()


def main() -> None:
    """Wait for it for five minutes, then walk its results by cursor."""
    for attempt in range(_ATTEMPTS):
        try:
            get("/ready")
            break
        except OSError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.5)
    after = ""
    while lines := [json.loads(line) for line in get(f"/results?limit=1000{after}").splitlines()]:
        for line in lines:
            sys.stdout.write(f"{line['result']['id']}\n")
        after = f"&after={lines[-1]['cursor']}"


main()
