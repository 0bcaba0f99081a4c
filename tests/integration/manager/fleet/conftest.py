"""Real inputs, and the manager's steering over a real vault."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manager.audit import Audit
from manager.fleet.control import Steering
from manager.vault import open_vault
from tests.faults.fault_parts import Part


@pytest.fixture
def run() -> Iterator[Callable[[Part], Any]]:
    """Start a part, and end it when the test is over."""
    parts: list[Part] = []

    def start(part: Part) -> Part:
        parts.append(part)
        part.start()
        return part

    yield start
    for part in reversed(parts):
        part.end()


def steering(folder: Path) -> Steering:
    """As a start of the manager makes it."""
    vault = open_vault(folder, {}, os.urandom)
    audit = Audit(folder, vault, lambda: "2026-11-23T08:00:00.000+00:00", os.urandom)
    return Steering(folder, vault, audit)
