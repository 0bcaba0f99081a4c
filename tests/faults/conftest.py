"""Parts are ended with their test, and what they said is shown when it fails."""

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from .fault_parts import SEED, Part

P = TypeVar("P", bound=Part)


def pytest_report_header() -> str:
    return f"faults: HOPMAP_FAULT_SEED={SEED}"


@pytest.fixture
def run() -> Iterator[Callable[[P], P]]:
    """Start a part; it is killed at the end, if it still runs."""
    started: list[Part] = []

    def start(part: P) -> P:
        started.append(part)
        part.start()
        return part

    yield start
    for part in reversed(started):
        if part.process is not None:
            part.process.kill()
            part.process.wait()
            part.process = None
        sys.stderr.write(f"--- {part.name}\n{part.log()[-4_000:]}\n")
