"""What `hopmap lab` says of calls that can't work, before anything is started."""

from pathlib import Path

import pytest

from hopmap.errors import UserError
from lab import command


@pytest.mark.parametrize(
    "wrong",
    [
        ["--workers", "x"],
        ["change", "sideways", "1.1.1.1"],
        ["moved", "--change", "x"],
        ["score"],
        ["targets", "--coun"],
    ],
)
def test_a_wrong_call_is_told_in_one_line(wrong: list[str]) -> None:
    with pytest.raises(UserError, match=r"'hopmap lab.* --help' shows what it takes$"):
        command.run(wrong)


@pytest.mark.parametrize("option", ["--truth", "--stats"])
def test_a_file_that_could_not_be_written_at_the_end_is_told_at_the_start(tmp_path: Path, option: str) -> None:
    for place in (tmp_path / "no-folder" / "file", tmp_path):
        started = tmp_path / "started"
        with pytest.raises(UserError, match=f"cannot write to {place}: give {option} a file in a folder"):
            command.run(["--transport", "socket", option, str(place), "--", "touch", str(started)])
        assert not started.exists()
