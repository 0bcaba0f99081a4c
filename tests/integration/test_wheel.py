"""The wheel in a clean environment: the base brings icmplib and PyYAML, no more, and the agent starts."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = {"hopmap", "icmplib", "PyYAML"}
LISTED = """
import importlib.metadata as metadata
print(*sorted(one.name for one in metadata.distributions()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and its two dependencies, put there without any index."""
    kept = Path(sys.prefix) / "wheels"
    if not kept.is_dir():
        pytest.skip(f"no wheels of the dependencies in {kept}: made by make test")
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "COV"))}
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", kept, wheel],
        check=True,
        env=environment | {"PIP_CONFIG_FILE": os.devnull},
    )
    return python


def test_the_wheel_holds_the_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"hopmap", "agents", "services", "manager", "lab"}
    assert "hopmap/data/cloud.bin" in names
    assert "hopmap/wire/schemas/result.json" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE.md") for name in names)


def test_the_base_install_is_what_the_agent_needs(clean: Path) -> None:
    listed = subprocess.run([clean, "-c", LISTED], check=True, capture_output=True, text=True)
    assert set(listed.stdout.split()) - {"pip", "setuptools"} == BASE


def test_the_agent_starts_from_the_base_install(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "targets").write_text("")
    command = [clean, "-m", "hopmap", "agent", "--once", "--input-file", tmp_path / "targets"]
    command += ["--output-file", tmp_path / "results.ndjson", "--state-dir", tmp_path / "state"]
    command += ["--health-check-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False)
    if os.geteuid() == 0:
        said = ended.stderr.splitlines()
        assert (ended.returncode, len(said)) == (0, 1)
        assert "no_contact" in said[0]  # so that nothing public could be probed
    else:
        assert ended.returncode == 2
        assert "CAP_NET_RAW" in ended.stderr


def test_a_service_without_its_extra_says_what_to_install(clean: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [clean, "-m", "hopmap", "input"], capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False
    )
    assert ended.returncode == 2
    assert "pip install 'hopmap[services]'" in ended.stderr
