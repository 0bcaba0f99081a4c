"""Write the generated tables of docs/: `python scripts/write_docs.py`; with --check only say what is stale."""

import re
import sys
from pathlib import Path

from hopmap import config
from hopmap.check_config import SETTINGS, settings_class

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- settings: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """The page with each settings table made anew."""
    return _BLOCK.sub(lambda block: f"{block[1]}{config.table(settings_class(block[2]), block[2])}{block[4]}", text)


def tables(text: str) -> list[str]:
    """The parts whose settings a page shows."""
    return [block[2] for block in _BLOCK.finditer(text)]


def main() -> int:
    """Exit code 1 when --check finds a stale page or a part without its table."""
    check = "--check" in sys.argv[1:]
    stale, shown = [], []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = rewritten(text)
        shown += tables(text)
        if fresh != text:
            stale.append(page.name)
            if not check:
                page.write_text(fresh, encoding="utf-8")
    missing = sorted(set(SETTINGS) - set(shown))
    for part in missing:
        sys.stderr.write(f"no page of docs/ has the settings of {part}\n")
    if check and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run python scripts/write_docs.py\n")
    return 1 if missing or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
