"""Check mode tells the truth: of a command it can tell only when the task says when it runs, or runs it to look."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml"), *ROOT.glob("playbooks/tasks/*.yml")])
# removes releases that neither run nor are the way back: which, is known once the new one is in force
UNTOLD = {"Find what is not needed any more"}
COMMANDS = tuple(f"ansible.builtin.{name}" for name in ("command", "shell", "script", "raw"))


def commands(found: Any) -> Iterator[dict[str, Any]]:
    """Tasks that run a program; not those of a rescue, for what fails is not known before."""
    for one in found or []:
        for part in ("tasks", "pre_tasks", "post_tasks", "block", "always"):
            yield from commands(one.get(part))
        if any(name in one for name in COMMANDS):
            yield one


def told(task: dict[str, Any]) -> bool:
    """Whether check mode can say that the task would change something."""
    given = next(task[name] for name in COMMANDS if name in task)
    says_when = isinstance(given, dict) and bool({"creates", "removes"} & given.keys())
    return task.get("changed_when") is False or says_when or task.get("check_mode") is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_that_changes_something_is_passed_over_in_silence(path: Path) -> None:
    tasks = commands(yaml.safe_load(path.read_text()))
    assert {task["name"] for task in tasks if not told(task)} <= UNTOLD


def test_a_silent_command_would_be_found() -> None:
    silent = {"name": "x", "ansible.builtin.command": "rm /x", "changed_when": True}
    assert [task for task in commands([{"block": [silent]}]) if not told(task)] == [silent]
