"""What Prometheus is told to warn of: of metrics that there are, in rules that promtool finds good."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "roles/prometheus/files/rules.yml"


def test_the_rules_are_good() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_metric_in_the_rules_is_one_that_the_docs_have() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    rules = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    used = {name for rule in rules for name in re.findall(r"\bhopmap_\w+", rule["expr"])}
    assert len(used) >= 8
    assert [name for name in sorted(used) if not re.search(rf"{name}\b", pages)] == []
