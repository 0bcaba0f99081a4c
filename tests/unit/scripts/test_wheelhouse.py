"""The pins of what a node gets, and who is refused."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheelhouse", ROOT / "scripts/wheelhouse.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


wheelhouse = loaded()


def test_every_package_that_services_and_manager_ask_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["services"], *extras["manager"]]
    names = {re.split(r"[<>=\[]", one)[0].lower().replace("-", "_") for one in asked} - {"hopmap"}
    pins = (ROOT / wheelhouse.LOCK).read_text(encoding="utf-8")
    pinned = {line.partition("==")[0].replace("-", "_") for line in pins.splitlines() if "==" in line}
    assert names <= pinned
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", pins)[1:])


def test_a_node_that_nobody_builds_wheels_for_is_told_so() -> None:
    with pytest.raises(wheelhouse.Problem, match=r"no wheels for Python 3\.11 on armv6l.*agents run anywhere"):
        wheelhouse.pip_target("3.11", "armv6l")


def test_an_archive_is_made_once_and_named_by_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(wheelhouse, "pip", lambda *arguments, where: asked.append(arguments))
    first = wheelhouse.build(ROOT, tmp_path, "3.11", "x86_64")
    assert wheelhouse.build(ROOT, tmp_path, "3.11", "x86_64") == first
    assert wheelhouse.build(ROOT, tmp_path, "3.13", "aarch64")["release"] == first["release"]
    assert [words[0] for words in asked] == ["download", "download"]
    assert "--require-hashes" in asked[0]
