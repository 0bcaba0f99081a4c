"""`hopmap check-config FILE`: what is wrong with a configuration file, without starting anything."""

import dataclasses
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hopmap
from hopmap import config, key_lines
from hopmap.errors import UserError

SETTINGS = {
    "agent": "agents.config:AgentSettings",
    "input": "services.input.config:InputSettings",
    "output": "services.output.config:OutputSettings",
    "manager": "manager.config:ManagerSettings",
    "gateway": "manager.gateway.config:GatewaySettings",
    "up": "hopmap.up.config:UpSettings",
}

EXAMPLES = """\
  hopmap check-config config.yaml
  hopmap check-config --part input /etc/hopmap/input.yaml
"""


def settings_class(part: str) -> type[Any]:
    """The settings class of a part."""
    module, _, name = SETTINGS[part].partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


def parts() -> list[str]:
    """The parts that are here; the agent's one file has no others."""
    return sorted(part for part, where in SETTINGS.items() if _is_here(where.partition(":")[0]))


def _is_here(module: str) -> bool:
    """Beside this very package: another hopmap on the path is not ours, nor what others call `services`."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # not even its package
        return False
    if spec is None or spec.origin is None:
        return False
    return Path(spec.origin).parents[module.count(".")] == Path(hopmap.__file__).parents[1]


def run(argv: list[str]) -> int:
    """Check files. Exit code 0 when all are good."""
    flags = config.parser("check-config", "Check configuration files; nothing is started.", EXAMPLES)
    flags.add_argument("--part", choices=parts(), help="whose file it is (default: told from its keys)")
    flags.add_argument("files", nargs="+", metavar="FILE")
    given = flags.parse_args(argv)
    for name in given.files:
        path = Path(name)
        part = given.part or guess(path)
        cls = settings_class(part)
        values = config.read_file(cls, path)
        try:
            config.build(cls, values)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        sys.stdout.write(f"{path}: good, for hopmap {part}\n")
    return 0


def guess(path: Path) -> str:
    """The part that knows most of the file's keys; an agent when none stands out."""
    keys = {key for key, _, _ in key_lines.read(path)}
    scores = {part: len(keys & {field.name for field in dataclasses.fields(settings_class(part))}) for part in parts()}
    return max(scores, key=lambda part: scores[part])
