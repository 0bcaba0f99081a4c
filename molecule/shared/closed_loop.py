"""`closed_loop.py OUTPUT AGENTS SECONDS` waits until hops were served again as targets and probed; prints what it saw.

OUTPUT is the base URL of an output's health port, AGENTS how many agents are to be heard of; a token may come in TOKEN.
"""

import json
import os
import sys
import time
import urllib.request


def results(url: str, after: str) -> list[dict[str, dict]]:
    """The next lines of the output's results, each with its cursor."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"} if os.environ.get("TOKEN") else {}
    query = f"{url}/results?limit=1000" + (f"&after={after}" if after else "")
    with urllib.request.urlopen(urllib.request.Request(query, headers=headers), timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def main() -> int:
    """Exit code 0 when the loop is closed and every agent was heard."""
    url, agents, deadline = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
    cursor, ids, hops, again, seen = "", set(), set(), set(), set()
    while time.monotonic() < deadline and not (again and len(seen) >= agents):
        try:
            news = results(url, cursor)
        except OSError as error:  # started anew, or slow: there is time
            sys.stderr.write(f"{url}: {error}\n")
            news = []
        for line in news:
            cursor, result = line["cursor"], line["result"]
            ids.add(result["id"])
            seen.add(result["agent"])
            if result["target"] in hops:
                again.add(result["target"])
            hops.update(hop["address"] for hop in result.get("trace", {}).get("hops", []) if hop["address"])
        if not news:
            time.sleep(0.5)
    told = {"results": len(ids), "agents": sorted(seen), "hops": len(hops), "hops_probed": len(again)}
    print(json.dumps(told))
    return 0 if again and len(seen) >= agents else 1


sys.exit(main())
