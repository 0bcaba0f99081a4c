"""Which files may be deleted, and who holds them back."""

import pytest

from services.output.core.retention import deletable


@pytest.mark.parametrize(
    ("bases", "keep", "slowest", "low_disk", "expected"),
    [
        ([1], 1, None, False, 0),
        ([1, 11, 21], 2, None, False, 0),
        ([1, 11, 21, 31], 2, None, False, 1),
        ([1, 11, 21, 31], 1, None, False, 2),
        ([1, 11, 21, 31], 1, 9, False, 0),
        ([1, 11, 21, 31], 1, 10, False, 1),
        ([1, 11, 21, 31], 1, 19, False, 1),
        ([1, 11, 21, 31], 1, 20, False, 2),
        ([1, 11, 21, 31], 1, 0, True, 2),
    ],
)
def test_surplus_files_go_when_every_reader_has_them(
    bases: list[int], keep: int, slowest: int | None, low_disk: bool, expected: int
) -> None:
    assert deletable(bases, keep, slowest, low_disk=low_disk) == expected
