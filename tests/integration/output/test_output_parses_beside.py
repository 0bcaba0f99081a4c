"""Reading bodies in a process of its own: the same answers, whatever becomes of that process or of the service."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hopmap.wire.decode import WireError
from services.output.core.ingest import Batch, TooMany, read_batch
from services.output.parsing import Parsing

from .conftest import Output, made, ndjson, until

COUNT = 200
LARGE = ndjson([made(sequence) for sequence in range(1, COUNT + 1)])  # enough for the other process
assert len(LARGE) > 64 << 10
MIXED = LARGE + b"\n{not json\n" + ndjson([made(1, target="8.8.8.256"), made(99, added_later=[1, {"\u00e9": None}])])


@pytest.fixture
def parsing() -> Iterator[Parsing]:
    found = Parsing(beside=True, answer_seconds=5)
    yield found
    found.close()


def begun(parsing: Parsing) -> int:
    """Hand in bodies that take longer than a turn of the interpreter until the other process is there; its id."""
    longer = b"\n".join([LARGE] * 6)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            assert {len(batch.rows) for batch in pool.map(lambda _: parsing.read(longer, 6 * COUNT), range(4))} == {
                6 * COUNT
            }
            if parsing.pid is not None:
                return parsing.pid
    raise AssertionError("it is never begun")


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be taken note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_body_at_a_time_needs_no_other_process(parsing: Parsing) -> None:
    assert parsing.read(LARGE, COUNT) == read_batch(LARGE, COUNT)
    assert parsing.pid is None


def test_the_other_process_reads_the_same(parsing: Parsing) -> None:
    pid = begun(parsing)
    found = parsing.read(MIXED, COUNT + 9)
    assert found == read_batch(MIXED, COUNT + 9)
    assert (len(found.rows), len(found.rejected)) == (COUNT + 1, 2)
    assert parsing.pid == pid


def test_the_other_process_refuses_the_same(parsing: Parsing) -> None:
    pid = begun(parsing)
    with pytest.raises(TooMany, match=f"{COUNT} lines"):
        parsing.read(LARGE, COUNT - 1)
    for body in (b"7" * 70_000, b"[" * 70_000, b'{"a":' + b" " * 70_000):
        with pytest.raises(WireError) as there:
            parsing.read(body, COUNT)
        with pytest.raises(WireError) as here:
            read_batch(body, COUNT)
        assert (there.value.where, there.value.problem) == (here.value.where, here.value.problem)
    assert parsing.pid == pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_lost_process_was_asked_is_done_here_and_it_is_begun_anew(parsing: Parsing, how: int) -> None:
    lost = begun(parsing)
    os.kill(lost, how)
    assert parsing.read(LARGE, COUNT) == read_batch(LARGE, COUNT)
    assert parsing.pid is None
    assert ended(lost)
    parsing.retry_at = 0.0
    assert begun(parsing) != lost
    assert parsing.read(LARGE, COUNT) == read_batch(LARGE, COUNT)


def test_it_is_not_begun_anew_at_once(parsing: Parsing) -> None:
    os.kill(begun(parsing), signal.SIGKILL)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: parsing.read(LARGE, COUNT), range(8)))
    assert found == [read_batch(LARGE, COUNT)] * 8
    assert parsing.pid is None


def test_signals_meant_for_the_service_do_not_end_it(parsing: Parsing) -> None:
    pid = begun(parsing)
    parsing.read(LARGE, COUNT)  # by now it has begun in earnest
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    assert parsing.read(LARGE, COUNT) == read_batch(LARGE, COUNT)
    assert parsing.pid == pid


def test_an_answer_too_large_for_the_shared_memory_is_made_here(parsing: Parsing) -> None:
    pid = begun(parsing)
    long = b'{"added_later":"' + "\u00e9".encode() * 40_000 + b'",'  # three times as long once written in ASCII
    body = b"\n".join(long + ndjson([made(sequence)])[1:] for sequence in range(1, 81))
    assert len(body) < 16 << 20
    found = parsing.read(body, COUNT)
    assert found == read_batch(body, COUNT)
    assert parsing.pid == pid


def test_once_closed_it_is_not_begun_again_and_reads_on(parsing: Parsing) -> None:
    pid = begun(parsing)
    parsing.close()
    assert ended(pid)
    with ThreadPoolExecutor(4) as pool:
        assert all(len(batch.rows) == COUNT for batch in pool.map(lambda _: parsing.read(LARGE, COUNT), range(8)))
    assert parsing.pid is None


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def loaded(output: Output) -> tuple[int, int]:
    """A service under so many large bodies at a time that it parses beside: its process and the other."""
    assert output.process is not None
    service = output.process.pid
    enough = threading.Event()

    def hand_in(agent: int) -> None:
        first = 1
        client = output.client()
        while not enough.is_set():
            body = ndjson([made(sequence, f"agent-{agent}") for sequence in range(first, first + COUNT)])
            assert client.request("POST", "/results", body).status == 200
            first += COUNT
        client.close()

    with ThreadPoolExecutor(4) as pool:
        handing = [pool.submit(hand_in, agent) for agent in range(4)]
        try:
            until(lambda: children(service))
        finally:
            enough.set()
        assert [one.result() for one in handing] == [None] * 4
    (child,) = children(service)
    return service, child


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_service_that_ends(start_output: Callable[..., Output], how: int) -> None:
    output = start_output()
    _, child = loaded(output)
    assert output.end(how) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    until(lambda: ended(child))
    output.start()


def test_a_service_whose_parser_is_killed_loses_nothing(start_output: Callable[..., Output]) -> None:
    output = start_output()
    _, child = loaded(output)
    before = output.stats()["results"]
    os.kill(child, signal.SIGKILL)
    answer = output.post([made(sequence, "agent-9") for sequence in range(1, COUNT + 1)])
    assert (answer.status, output.stats()["results"]) == (200, before + COUNT)
    assert "parser_lost" in output.log()
    ids, _ = output.read_all(limit=10_000)
    assert len(ids) == len(set(ids)) == before + COUNT


def test_on_one_processor_there_is_no_other_process() -> None:
    parsing = Parsing(beside=False)
    with ThreadPoolExecutor(4) as pool:
        found: list[Batch] = list(pool.map(lambda _: parsing.read(LARGE, COUNT), range(8)))
    assert found == [read_batch(LARGE, COUNT)] * 8
    assert parsing.pid is None
