"""The flags of `install`."""

import argparse
from pathlib import Path

from hopmap import config

EXAMPLES = """\
  sudo python3 hopmap-agent.pyz install
  sudo python3 hopmap-agent.pyz install --line-permits-probing yes --contact mailto:you@example.org \\
      --input https://map.example.org/input --output https://map.example.org/results
  sudo HOPMAP_ENROL_TOKEN=hme_... python3 hopmap-agent.pyz install --enrol https://map.example.org --self-update
  python3 hopmap-agent.pyz install --dry-run
"""
ABOUT = """\
Install this one file as the service hopmap-agent, or bring an older one up to date. What is not given
by a flag is asked. Existing settings are kept; nothing is replaced before the new has been checked."""


def flags() -> argparse.ArgumentParser:
    """The parser of `install`."""
    found = config.parser("install", ABOUT, EXAMPLES)
    found.add_argument("--input", metavar="URL", help="where targets come from (asked)")
    found.add_argument("--output", metavar="URL", help="where results go (asked)")
    found.add_argument("--enrol", metavar="URL", help="a gateway in the place of both: this node's key is fetched "
                       "there, for the enrolment token in HOPMAP_ENROL_TOKEN (asked)")  # fmt: skip
    found.add_argument("--name", metavar="NODE",
                       help="this node's name, its own in the fleet (default: with --enrol the host's)")  # fmt: skip
    found.add_argument("--self-update", action="store_true",
                       help="--enrol: run the version that the manager wants, fetched from the gateway")  # fmt: skip
    found.add_argument("--contact", metavar="TEXT", help="who to ask about the probes: mailto:... or a URL (asked)")
    found.add_argument("--line-permits-probing", choices=("yes", "no"),
                       help="whether the provider of this line permits probing (asked); recorded")  # fmt: skip
    found.add_argument("--token-file", type=Path, metavar="FILE", help="the token for the services; copied")
    found.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    found.add_argument("--print-unit", metavar="PYTHON",
                       help="print the unit for this interpreter and end")  # fmt: skip
    found.add_argument("--root", type=Path, default=Path("/"), metavar="DIR",
                       help="prepare the tree of another machine; starts nothing")  # fmt: skip
    return found
