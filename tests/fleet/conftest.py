"""A Debian tree to boot, with Python and nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = "systemd,systemd-sysv,dbus,python3,iproute2"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        pytest.skip("needs root and systemd-nspawn")
    given = os.environ.get("HOPMAP_IMAGE")
    if given:
        return Path(given)
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap, or a Debian tree named by HOPMAP_IMAGE")
    sources = [path for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("debian.sources"))
               if path.exists()]  # fmt: skip
    tree = tmp_path_factory.mktemp("image") / "debian"
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", "bookworm", tree, *sources]
    subprocess.run(command, check=True, capture_output=True)
    return tree
