"""Write the generated tables of docs/: `python scripts/write_docs.py`; with --check only say what is stale."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from hopmap import config
from hopmap.check_config import SETTINGS, settings_class

ROOT = Path(__file__).parents[1]
DOCS, ROLES = ROOT / "docs", ROOT / "roles"
_BLOCK = re.compile(r"(<!-- settings: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


_ROLE = re.compile(r"(<!-- role: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """The page with each table of settings or of a role's variables made anew."""
    text = _BLOCK.sub(lambda block: f"{block[1]}{config.table(settings_class(block[2]), block[2])}{block[4]}", text)
    return _ROLE.sub(lambda block: f"{block[1]}{role_table(block[2])}{block[4]}", text)


def role_options(role: str) -> dict[str, dict[str, Any]]:
    """The variables of a role, from its argument_specs."""
    path = ROLES / role / "meta" / "argument_specs.yml"
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"][
        "options"
    ]
    return found


def role_table(role: str) -> str:
    """A role's variables as a table."""
    rows = [
        f"| `{name}` | {_default(option)} | {option['description']} |" for name, option in role_options(role).items()
    ]
    return "\n".join(["| variable | default | what it does |", "|---|---|---|", *rows]) + "\n"


def _default(option: dict[str, Any]) -> str:
    value = option.get("default", "")
    if option.get("required"):
        return "needed"
    if value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(map(str, value)) if isinstance(value, list) else value}`"


def tables(text: str) -> list[str]:
    """The parts whose settings a page shows."""
    return [block[2] for block in _BLOCK.finditer(text)]


def role_tables(text: str) -> list[str]:
    """The roles whose variables a page shows."""
    return [block[2] for block in _ROLE.finditer(text)]


def roles() -> set[str]:
    """The roles that have variables for people to set; `service` is what other roles include."""
    return {path.parts[-3] for path in ROLES.glob("*/meta/argument_specs.yml")} - {"service", "base"}


def main() -> int:
    """Exit code 1 when --check finds a stale page or a part without its table."""
    check = "--check" in sys.argv[1:]
    stale, shown, shown_roles = [], [], []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        fresh = rewritten(text)
        shown += tables(text)
        shown_roles += role_tables(text)
        if fresh != text:
            stale.append(page.name)
            if not check:
                page.write_text(fresh, encoding="utf-8")
    missing = sorted(set(SETTINGS) - set(shown)) + sorted(roles() - set(shown_roles))
    for part in missing:
        sys.stderr.write(f"no page of docs/ has the settings of {part}\n")
    if check and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run python scripts/write_docs.py\n")
    return 1 if missing or (check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
