"""`handed_in.py OUTPUT...` waits for results of agents, and prints how many each has handed in and which are missing.

An id is AGENT:TOKEN:SEQUENCE, counted from 1 without a gap, so what is missing below the last one is lost. `--beyond`
is a JSON object, AGENT to a sequence that must be passed by `--more`; `--whole` waits until nothing is missing. A token
comes in TOKEN.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections import Counter


def lines(output: str, after: str) -> list[dict[str, dict[str, str]]]:
    """The next results of an output's health port, each with its cursor."""
    query = f"{output}/results?limit=1000" + (f"&after={after}" if after else "")
    call = urllib.request.Request(query, headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    with urllib.request.urlopen(call, timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def told(ids: Counter[str]) -> dict[str, dict[str, int]]:
    """For each agent its last sequence, how many below it are missing, and how many came twice."""
    found: dict[str, dict[str, int]] = {}
    for series in {one.rpartition(":")[0] for one in ids}:
        numbers = [int(one.rpartition(":")[2]) for one in ids if one.rpartition(":")[0] == series]
        agent = found.setdefault(series.partition(":")[0], {"last": 0, "missing": 0, "twice": 0})
        agent["last"] += max(numbers)
        agent["missing"] += max(numbers) - len(numbers)
        agent["twice"] += sum(ids[f"{series}:{number}"] - 1 for number in numbers)
    return found


def main() -> int:
    """Exit code 0 when all that was waited for has come."""
    flags = argparse.ArgumentParser()
    flags.add_argument("outputs", nargs="+")
    flags.add_argument("--beyond", type=json.loads, default={})
    flags.add_argument("--more", type=int, default=0)
    flags.add_argument("--agents", type=int, default=1, help="how many are to be heard of")
    flags.add_argument("--whole", action="store_true")
    flags.add_argument("--seconds", type=float, default=300)
    given = flags.parse_args()
    end, ids, cursors = time.monotonic() + given.seconds, Counter[str](), dict.fromkeys(given.outputs, "")
    while True:
        for output in given.outputs:
            try:
                while news := lines(output, cursors[output]):
                    cursors[output] = str(news[-1]["cursor"])
                    ids.update(line["result"]["id"] for line in news)
            except OSError as error:
                sys.stderr.write(f"{output}: {error}\n")
        found = told(ids)
        come = len(found) >= given.agents and all(
            found.get(agent, {"last": 0})["last"] > least + given.more for agent, least in given.beyond.items()
        )
        if come and not (given.whole and any(agent["missing"] for agent in found.values())):
            print(json.dumps(found, sort_keys=True))
            return 0
        if time.monotonic() > end:
            sys.stderr.write(f"not within {given.seconds:.0f} s: {json.dumps(found, sort_keys=True)}\n")
            return 1
        time.sleep(1)


sys.exit(main())
