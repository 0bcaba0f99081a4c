"""A booted Debian with Python and nothing else, by molecule/hosts, and what a script in it says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOSTS = Path(__file__).parents[2] / "molecule/hosts"
Inside = Callable[[Path, str, float], dict[str, str]]


@pytest.fixture(scope="module")
def inside(request: pytest.FixtureRequest) -> Iterator[Inside]:
    """Runs a script of a folder, whose files come to /opt, for some seconds at most: the `key value` lines it says."""
    missing = [name for name in ("systemd-nspawn", "mmdebstrap", "apt-ftparchive") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root, and what scripts/need-tools.sh installs: {missing or 'all of it is here'}")
    environ = os.environ | {"HOPMAP_HOSTS": f"{request.module.__name__}-{os.getpid()}", "HOPMAP_PYTHON": sys.executable}

    def hosts(*argv: object, seconds: float) -> str:
        done = subprocess.run(
            [HOSTS, *map(str, argv)], env=environ, check=False, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(files: Path, script: str, seconds: float) -> dict[str, str]:
        hosts("up", "bare", seconds=300)  # makes the tree where there is none
        for file in files.iterdir():
            hosts("put", "bare", file, f"/opt/{file.name}", seconds=20)
        said = hosts("exec", "bare", "sh", f"/opt/{script}", seconds=seconds).splitlines()
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in said}

    yield run
    hosts("down", seconds=60)
