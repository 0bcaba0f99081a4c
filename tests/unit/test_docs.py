"""Docs and code say the same: keys, calls, metrics, commands, links; and the project speaks of itself alone."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from hopmap import config
from hopmap.__main__ import COMMANDS
from hopmap.check_config import SETTINGS, settings_class

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
PACKAGES = ("hopmap", "agents", "services", "manager", "lab")
# where a part's code is, and the page that documents its calls and metrics
PARTS = {
    "services/chassis": "docs/operations.md",
    "services/input": "docs/input.md",
    "services/output": "docs/output.md",
    "manager": "docs/manager.md",
    "manager/gateway": "docs/gateway.md",
    "agents": "docs/agent.md",
}


def sources(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    apart = [ROOT / part for part in PARTS if part.startswith(f"{folder}/")]  # they have pages of their own
    for path in sorted((ROOT / folder).glob("**/*.py")):
        if any(path.is_relative_to(one) for one in apart):
            continue
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def routes(folder: str) -> set[str]:
    """Paths of `@app.get("/x", scope=...)` and its like."""
    verbs = {"get", "post", "put", "delete"}
    return {
        node.args[0].value
        for _, tree in sources(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in verbs
        and any(keyword.arg == "scope" for keyword in node.keywords)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def metrics(folder: str) -> set[str]:
    """Names of metrics: every text in the code that is one."""
    return {
        node.value
        for _, tree in sources(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"hopmap_[a-z0-9]+(_[a-z0-9]+)+", node.value)
    }


def test_the_tables_of_keys_are_fresh() -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "write_docs.py", "--check"], check=True)


@pytest.mark.parametrize("part", SETTINGS)
def test_every_key_is_read_somewhere(part: str) -> None:
    """A key that nothing reads is a promise that nothing keeps."""
    cls = settings_class(part)
    package = cls.__module__.rpartition(".")[0].replace(".", "/")
    folders = {package, "services/chassis"} if package != "agents" else {package}
    read = {
        node.attr
        for folder in folders
        for _, tree in sources(folder)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    assert {field.name for field in fields(cls)} - read == set()


@pytest.mark.parametrize("folder", PARTS)
def test_every_call_is_documented(folder: str) -> None:
    page = (ROOT / PARTS[folder]).read_text(encoding="utf-8")
    assert [route for route in sorted(routes(folder)) if route not in page] == []


@pytest.mark.parametrize("folder", PARTS)
def test_every_metric_is_documented(folder: str) -> None:
    page = (ROOT / PARTS[folder]).read_text(encoding="utf-8")
    assert [name for name in sorted(metrics(folder)) if name not in page] == []


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    everywhere = text + "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in COMMANDS if f"hopmap {name}" not in everywhere] == []


def blocks(page: Path, kind: str) -> list[str]:
    """The contents of ```KIND blocks."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def shown_commands(page: Path) -> Iterator[list[str]]:
    """The words of each command that starts a part; what follows two spaces, #, | or > is no word of it."""
    for block in blocks(page, ""):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = re.split(r"\s#|\s{2,}|\s[>|&]", line.strip())[0].split()
            starts = words[:1] == ["hopmap"] and set(words[1:2]) <= set(SETTINGS)
            if starts and all(word.startswith("-") for word in words[2:3]) and "--config" not in words:
                yield words[1:]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_that_are_shown_would_start(page: Path) -> None:
    for part, *words in shown_commands(page):
        cls, flags = settings_class(part), config.parser(part, "", "")
        config.add_flags(flags, cls)
        config.load(cls, part, flags.parse_args(words), {})


@pytest.mark.parametrize("name", ["front.md", "failover.md"])
def test_configurations_that_are_shown_are_good(tmp_path: Path, name: str) -> None:
    found = blocks(ROOT / "docs" / name, "yaml")
    assert found
    for block in found:
        (tmp_path / "m.yaml").write_text(block)
        config.build(settings_class("manager"), config.read_file(settings_class("manager"), tmp_path / "m.yaml"))


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)", readme, re.MULTILINE))
    assert named
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_files_say_nothing_of_the_machine_they_were_made_on() -> None:
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    # written so that it does not find itself
    foreign = re.compile(rb"/[w]ork/|/[r]oot/|\b(pypi|npmjs)\.(org|com)|files\.pythonhosted")
    found = [
        name
        for name in listed.stdout.decode().split("\0")
        if name and (ROOT / name).is_file() and foreign.search((ROOT / name).read_bytes())
    ]
    assert found == []
