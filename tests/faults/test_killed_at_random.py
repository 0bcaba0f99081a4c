"""kill -9 at random moments over agent, input and output under load: what was acknowledged is there, once."""

import ipaddress
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from agents.core import frames
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.result import decode_result, parse_id
from services.output.core.hops import hops_worth_probing

from .fault_parts import ROUNDS, SEED, Agent, Input, Lab, Output, Part, lab_targets, made, ndjson, until

BLOCK = 64
PREFIX = ipaddress.ip_network("62.0.0.0/14")
BATCH = 10
TAKE = 7


class Load(threading.Thread):
    """Something that asks a service again and again, also while that is down, until it is told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._client = Client(Endpoint.parse(url), timeout=30)
        self.stopping = threading.Event()
        self.unanswered = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stopping.wait(0.1):
                try:
                    self.ask(self._client)
                except Unreachable:
                    self.unanswered += 1
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._client.close()

    def ask(self, client: Client) -> None:
        raise NotImplementedError


class Deliverer(Load):
    """Hands results in as an agent does: the same batch until it is acknowledged."""

    def __init__(self, url: str, lane: int) -> None:
        super().__init__(url)
        self.agent = f"loader-{lane}"
        self.lane = lane
        self.acknowledged = 0

    def ask(self, client: Client) -> None:
        numbers = range(self.acknowledged + 1, self.acknowledged + BATCH + 1)
        batch = [made(number, agent=self.agent, lane=self.lane + (number >> 16)) for number in numbers]
        answer = client.request("POST", "/results", ndjson(batch))
        if answer.status == 200:
            told = json.loads(answer.body)
            assert told["accepted"] + told["duplicate"] == BATCH, told
            self.acknowledged += BATCH


class Teller(Load):
    """Tells hops to the input and remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.acknowledged = 0

    @staticmethod
    def address(number: int) -> str:
        return f"77.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def ask(self, client: Client) -> None:
        hops = [self.address(self.acknowledged + number) for number in range(5)]
        answer = client.request("POST", "/hops", json.dumps({"hops": hops}).encode())
        if answer.status == 200:
            told = json.loads(answer.body)
            assert told["new"] + told["known"] == 5, told
            self.acknowledged += 5


class Consumer(Load):
    """Takes targets, and remembers in which life of the input it got each."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url)
        self._headers = {"X-Consumer-Id": name}
        self.lives: list[list[str]] = [[]]

    def ask(self, client: Client) -> None:
        answer = client.request("GET", f"/?count={TAKE}", headers=self._headers)
        if answer.status == 200:
            self.lives[-1] += answer.body.decode().split()


def spooled(agent: Agent) -> set[str]:
    """Ids of all results whole in the agent's spool: what it has reported as done."""
    found = set()
    for path in agent.spool.glob("*.seg"):
        found |= {json.loads(frame.line)["id"] for frame in frames.scan(path.read_bytes()).frames}
    return found


def repeats(lives: Sequence[Sequence[str]]) -> list[int]:
    """For each life how many targets it gave that an earlier one, or itself, had given."""
    seen: set[str] = set()
    found = []
    for life in lives:
        found.append(len(life) - len(set(life) - seen))
        seen |= set(life)
    return found


class Fleet:
    """Agent, input and output, and those that load them."""

    def __init__(self, folder: Path, run: Callable[..., Any]) -> None:
        (folder / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(4_000)) + f"{PREFIX}\n")
        limits = ("--hops-per-hour=50000000", "--hops-per-prefix=256", "--hops-per-source=50000000")
        order = (f"--seeds={folder}/seeds", "--cycle-seconds=31536000", f"--block-size={BLOCK}")
        self.input: Input = run(Input(folder, *order, *limits))
        self.output: Output = run(
            Output(folder, f"--input-url={self.input.url}", "--max-size-mb=5", "--keep-files=10000")
        )
        places = {"input_file": self.input.url, "output_file": self.output.url}
        self.agent: Agent = run(
            Agent(folder, run(Lab(folder)), packets_per_second=300, cooldown_minutes=6_000, **places)
        )
        self.deliverers = [Deliverer(self.output.url, lane) for lane in (0, 40)]
        self.teller = Teller(self.input.url)
        self.consumers = [Consumer(self.input.url, f"consumer-{number}") for number in range(3)]
        self.load: list[Load] = [*self.deliverers, self.teller, *self.consumers]
        self.parts: list[Part] = [self.agent, self.input, self.output]
        self.killed: Counter[str] = Counter()
        self.reported: set[str] = set()
        for one in self.load:
            one.start()
        until(lambda: all(one.lives[0] for one in self.consumers), "every consumer got targets before the first kill")

    def kill_some(self, rng: random.Random) -> None:
        """One round: some of the parts at once, in one moment."""
        time.sleep(rng.uniform(0.05, 0.6))
        victims = rng.sample(self.parts, rng.choice((1, 1, 1, 2, 3)))
        for part in victims:
            part.kill()
            self.killed[part.name] += 1
        if self.agent in victims:
            self.reported |= spooled(self.agent)
        if self.input in victims:
            for consumer in self.consumers:
                consumer.lives.append([])
        time.sleep(rng.uniform(0.0, 0.3))
        for part in rng.sample(victims, len(victims)):
            part.start()
        assert all(one.is_alive() for one in self.load), [one.failure for one in self.load]

    def settle(self) -> None:
        """End the load, and wait until everything that was learnt is where it belongs."""
        time.sleep(1.0)
        for one in self.load:
            one.stopping.set()
        for one in self.load:
            one.join(40)
            assert one.failure is None
        self.input.json("PUT", "/control", {"schema": 1, "version": 1, "stop": True})
        until(lambda: self.agent.statistics()["halted"], "the agent obeys")
        until(lambda: self.agent.statistics()["spool_results"] == 0, "the spool is empty")
        self.reported |= spooled(self.agent)
        until(lambda: self.output.stats()["inputs"][0]["pending_hops"] == 0, "the input was told every hop")


def test_kills_lose_and_double_nothing(tmp_path: Path, run: Callable[..., Any]) -> None:
    fleet = Fleet(tmp_path, run)
    rng = random.Random(SEED)
    for _ in range(ROUNDS):
        fleet.kill_some(rng)
    fleet.settle()
    sys.stdout.write(f"seed {SEED}, {ROUNDS} rounds, killed {dict(fleet.killed)}\n")

    results = fleet.output.stored()
    assert_results(fleet, results)
    assert_hops(fleet, results)
    assert_cycle(fleet.consumers)
    assert_agents_series_is_whole([result for result in results if result["agent"] == fleet.agent.name])
    assert all(fleet.killed[part.name] for part in fleet.parts)
    assert [part.end() for part in fleet.parts] == [0, 0, 0]


def assert_results(fleet: Fleet, results: Sequence[dict[str, Any]]) -> None:
    """What an output acknowledged, and what an agent had on its disk, is stored, once."""
    owed = {f"{one.agent}:s1:{number}" for one in fleet.deliverers for number in range(1, one.acknowledged + 1)}
    ids = [result["id"] for result in results]
    lost, doubled = (owed | fleet.reported) - set(ids), len(ids) - len(set(ids))
    sys.stdout.write(
        f"results acknowledged {len(owed)}, spooled by the agent {len(fleet.reported)}, lost {len(lost)}, "
        f"doubled {doubled}\n"
    )
    assert owed
    assert fleet.reported
    assert not lost
    assert doubled == 0


def assert_hops(fleet: Fleet, results: Sequence[dict[str, Any]]) -> None:
    """What an input acknowledged, and what a stored result shows, is a target, once."""
    told = {hop for result in results for hop in hops_worth_probing(decode_result(result))}
    acknowledged = {Teller.address(number) for number in range(fleet.teller.acknowledged)}
    known = fleet.input.found()
    lost = {hop for hop in (told | acknowledged) - set(known) if ipaddress.ip_address(hop) not in PREFIX}
    doubled = len(known) - len(set(known))
    sys.stdout.write(f"hops acknowledged {len(acknowledged)}, seen {len(told)}, lost {len(lost)}, doubled {doubled}\n")
    assert told
    assert acknowledged
    assert not lost
    assert doubled == 0


def assert_cycle(consumers: Sequence[Consumer]) -> None:
    """No consumer got a target twice, but after a kill those of one reserved block."""
    again = [repeats(one.lives) for one in consumers]
    worst = max(max(one) for one in again)
    served = sum(map(len, chain.from_iterable(one.lives for one in consumers)))
    sys.stdout.write(f"targets served {served}, most given again after a kill {worst} of a block of {BLOCK}\n")
    assert all(one.lives[0] for one in consumers)
    assert all(one[0] == 0 for one in again)
    assert worst <= BLOCK


def assert_agents_series_is_whole(results: Sequence[dict[str, Any]]) -> None:
    """Within one token of its spool the agent's numbers have no gap, and no target was probed twice in its cooldown."""
    series: dict[str, list[int]] = {}
    for result in results:
        identity = parse_id(result["id"])
        series.setdefault(identity.spool, []).append(identity.sequence)
    assert series
    for numbers in series.values():
        assert sorted(numbers) == list(range(min(numbers), max(numbers) + 1))
    targets = Counter(result["target"] for result in results if result["ping"]["sent"])  # not its further flows
    assert not {target for target, count in targets.items() if count > 1}
