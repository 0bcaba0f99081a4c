"""How a page looks and reads: dark and light, wide and on a phone, to axe, without a way to scroll sideways."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCHEMES = ("dark", "light")
PHONE = {"width": 320, "height": 700}
_UNNAMED = (
    "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, summary')].filter((one) =>"
    " !(one.textContent.trim() || one.labels?.length || one.getAttribute('aria-label'))).map((one) => one.outerHTML)"
)


class Album:
    """Screenshots of pages in HOPMAP_SCREENSHOTS, else in a folder that goes with the test.

    `look` fails where axe finds a violation in either scheme, something has no name, or a phone scrolls sideways.
    """

    def __init__(self, page: Any, folder: Path, axe: Any) -> None:
        self.page, self._axe = page, axe
        self.folder = Path(os.environ.get("HOPMAP_SCREENSHOTS") or folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seen: list[str] = []

    def look(self, name: str, schemes: Sequence[str] = SCHEMES) -> None:
        """Look at the page that is shown now."""
        self.seen.append(name)
        size = self.page.viewport_size
        for scheme in schemes:
            self.page.emulate_media(color_scheme=scheme)
            self._shoot(f"{name}-{scheme}")
            found = self._axe.run(self.page).response["violations"]
            assert found == [], (name, scheme, self.folder)
        self.page.set_viewport_size(PHONE)
        self._shoot(f"{name}-phone")
        assert self.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], (name, self.folder)
        self.page.set_viewport_size(size)
        assert self.page.evaluate(_UNNAMED) == [], name

    def _shoot(self, name: str) -> None:
        self.page.screenshot(path=str(self.folder / f"{name}.png"), full_page=True)
