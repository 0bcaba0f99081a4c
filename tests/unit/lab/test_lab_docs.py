"""The page on the lab has every fraction of the presets, as it is."""

import re
from dataclasses import fields
from pathlib import Path

from lab.world.plan import PRESETS, Plan

PAGE = Path(__file__).parents[3] / "docs" / "lab.md"
COLUMNS = ("default", "hard", "odd", "calm")


def table() -> dict[str, dict[str, float]]:
    """The fractions by preset and name."""
    found: dict[str, dict[str, float]] = {preset: {} for preset in COLUMNS}
    _, _, below = PAGE.read_text().partition("| fraction (name")
    for line in below.splitlines()[2:]:
        if not line:
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`(\w+)`", cells[0])
        for preset, cell in zip(COLUMNS, cells[1:], strict=True):
            found[preset] |= dict(zip(names, map(float, re.split("[;,]", cell)), strict=True))
    return found


def test_the_table_is_that_of_the_presets() -> None:
    names = {field.name for field in fields(Plan) if isinstance(field.default, float)} - {"jitter_ms"}
    for preset, fractions in table().items():
        assert fractions == {name: getattr(PRESETS[preset], name) for name in names}
    assert f"`jitter_ms` ({Plan().jitter_ms:g}".replace("0.", ".") in PAGE.read_text()
