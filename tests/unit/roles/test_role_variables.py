"""Every variable of a role: declared, with the default that it has, and in the docs."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "meta/argument_specs.yml").exists())


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_docs", ROOT / "scripts/write_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


write_docs = loaded()


def defaults(role: str) -> dict[str, object]:
    path = ROOT / "roles" / role / "defaults/main.yml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES)
def test_declared_defaults_are_those_of_the_role(role: str) -> None:
    declared = {name: one["default"] for name, one in write_docs.role_options(role).items() if "default" in one}
    assert declared == defaults(role)
    assert all(name.startswith(f"{role}_") for name in write_docs.role_options(role))


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_has_a_reader(role: str) -> None:
    folders = [ROOT / "roles" / role / name for name in ("tasks", "templates", "vars", "defaults")]
    files = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
    text = "".join(re.sub(r"^\w+:", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE) for path in files)
    assert [name for name in write_docs.role_options(role) if not re.search(rf"\b{name}\b", text)] == []


def test_every_role_is_in_the_docs() -> None:
    shown = write_docs.role_tables((ROOT / "docs/fleet.md").read_text(encoding="utf-8"))
    assert set(shown) == write_docs.roles()


def test_every_playbook_is_in_the_docs() -> None:
    page = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    names = [path.name for path in (ROOT / "playbooks").glob("*.yml") if path.name != "site.yml"]
    assert [name for name in names if f"playbooks/{name}" not in page] == []
