"""What is said of seed files that can bring nothing."""

import logging
from pathlib import Path

import pytest

from services.input.command import starting_points
from services.input.config import InputSettings


def test_seeds_that_are_never_served_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("192.168.0.0/16\n52.0.0.0/24\n10.1.2.0/24\n")
    with caplog.at_level(logging.WARNING):
        prefixes, _ = starting_points(InputSettings(seeds=(str(file),)))
    assert len(prefixes) == 3
    assert caplog.messages == [
        f'seeds_never_served file={file} prefixes=2 first=192.168.0.0/16 why="private space is never served"'
    ]


def test_of_seeds_that_are_served_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("52.0.0.0/24\n0.0.0.0/0\n")
    with caplog.at_level(logging.WARNING):
        starting_points(InputSettings(seeds=(str(file),)))
    assert caplog.messages == []
