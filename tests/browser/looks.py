"""How a page looks and reads: dark and light, wide and on a phone, to axe, without a way to scroll sideways."""

import os
from pathlib import Path
from typing import Any

PHONE = {"width": 320, "height": 700}
_UNNAMED = (
    "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, summary')].filter((one) =>"
    " !(one.textContent.trim() || one.labels?.length || one.getAttribute('aria-label'))).map((one) => one.outerHTML)"
)
_SPOIL = "document.querySelector('main').insertAdjacentHTML('beforeend', '<img id=mute src=x>')"


class Album:
    """Screenshots of pages in HOPMAP_SCREENSHOTS, else in a folder that goes with the test.

    `look` fails where axe finds a violation, something has no name, or the page scrolls sideways.
    """

    def __init__(self, page: Any, folder: Path, axe: Any) -> None:
        self.page, self._axe = page, axe
        self.folder = Path(os.environ.get("HOPMAP_SCREENSHOTS") or folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def look(self, name: str) -> None:
        """Look at the page that is shown now, in both schemes and on a phone."""
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            self._view(f"{name}-{scheme}")
        size = self.page.viewport_size
        self.page.set_viewport_size(PHONE)
        self._view(f"{name}-phone")
        self.page.set_viewport_size(size)

    def axe_sees(self) -> None:
        """Fails where axe does not find a fault that is put into the page and taken away again."""
        self.page.evaluate(_SPOIL)
        assert [one["id"] for one in self._violations()] == ["image-alt"], "axe sees nothing"
        self.page.evaluate("document.querySelector('#mute').remove()")

    def _view(self, name: str) -> None:
        self.page.screenshot(path=str(self.folder / f"{name}.png"), full_page=True)
        assert self._violations() == [], name
        assert self.page.evaluate(_UNNAMED) == [], name
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.viewport_size["width"], name

    def _violations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._axe.run(self.page).response["violations"]
        return found
