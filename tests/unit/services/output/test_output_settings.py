"""What the output's settings refuse, and how it is said."""

from pathlib import Path
from typing import Any

import pytest

from hopmap.errors import UserError
from services.output.config import OutputSettings


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"input_url": ()}, "input_url: give at least one"),
        ({"input_url": ("http://a/hops", "http://b/hops", "http://a/hops")}, "input_url: give each once"),
        ({"port": 9000, "health_port": 9000}, "can't share a port or socket"),
        ({"unix": "/run/a.sock", "health_unix": "/run/a.sock"}, "can't share a port or socket"),
    ],
)
def test_what_can_not_work_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OutputSettings(**keys)


def test_no_port_at_all_is_shared_by_both() -> None:
    OutputSettings(port=0, health_port=0, unix="/run/a.sock", health_unix="/run/b.sock")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the input_token_file .*token: No such file or directory$"),
        (b"", "holds no token: its first line must be one$"),
        (b"\n0123456789abcdef\n", "holds no token"),
        (b"\xff\n", "cannot read the input_token_file .*token: not ASCII text$"),
    ],
)
def test_a_token_file_that_is_wrong(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=said):
        OutputSettings(input_token_file=str(file)).input_token()


def test_the_first_line_is_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef\nof the first input\n")
    assert OutputSettings(input_token_file=str(file)).input_token() == "0123456789abcdef"
