"""Everything that a node needs to run services and manager, for its Python and processor, as one archive.

    python scripts/wheelhouse.py build --python 3.11 --machine x86_64     # prints where it is, as JSON
    python scripts/wheelhouse.py lock                                     # pin the newest allowed packages anew

The archive holds the wheel of this source tree, the wheels that roles/release/files/requirements.lock pins by
SHA-256, pip itself, and requirements.txt with the hash of each, to be unpacked in /opt: nodes ask no package index.
It is made here, on the control host, and kept; the name of a release is the version and a digest of all that is in it.
"""

import argparse
import fcntl
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = Path("roles/release/files/requirements.lock")
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
EXTRAS = "atlas,manager"
_NEWEST_GLIBC = 36  # of Debian 12, the oldest that has Python 3.11 (PEP 600)
_PIP = "pip==25.3"
_ABOUT_LOCK = "# By scripts/wheelhouse.py lock: every file that a node may get, by its SHA-256.\n"


class Problem(Exception):
    """What the one who called can mend."""


def pip_target(python: str, machine: str) -> list[str]:
    """Flags that make pip choose wheels for another interpreter. Problem when nobody builds them."""
    if python not in PYTHONS or machine not in MACHINES:
        raise Problem(
            f"no wheels for Python {python} on {machine}: services and manager run on Python {' '.join(PYTHONS)} on "
            f"{' and '.join(MACHINES)} (agents run anywhere)"
        )
    tags = [f"manylinux_2_{minor}" for minor in range(_NEWEST_GLIBC, 16, -1)] + ["manylinux2014"]
    platforms = [flag for tag in tags for flag in ("--platform", f"{tag}_{machine}")]
    return ["--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platforms]


def run(*command: str, where: Path) -> str:
    """What a program prints; Problem with its last words when it fails."""
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def pip(*arguments: str, where: Path) -> str:
    """pip of the interpreter that runs this."""
    return run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, where=where)


def lock(source: Path) -> None:
    """Write the pins: one version of each package for every target, with the hash of each target's file."""
    found: dict[str, set[str]] = defaultdict(set)
    for python in PYTHONS:
        for machine in MACHINES:
            for item in _resolved(source, python, machine):
                name, version = item["metadata"]["name"].lower(), item["metadata"]["version"]
                found[f"{name}=={version}"].add(item["download_info"]["archive_info"]["hashes"]["sha256"])
    names = [pin.partition("==")[0] for pin in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Problem(f"the targets do not agree on a version of {', '.join(twice)}")
    (source / LOCK).write_text(_ABOUT_LOCK + "".join(_pin(pin, found[pin]) for pin in sorted(found)), encoding="utf-8")


def _resolved(source: Path, python: str, machine: str) -> Iterator[dict[str, Any]]:
    flags = ["--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--target", "/nonexistent"]
    with tempfile.TemporaryDirectory() as folder:
        wheel = _own_wheel(source, Path(folder))
        asked = (f"{wheel}[{EXTRAS}]", _PIP)
        report = json.loads(pip("install", *flags, *pip_target(python, machine), *asked, where=source))
    yield from (item for item in report["install"] if item["metadata"]["name"] != "hopmap")


def _pin(pin: str, hashes: set[str]) -> str:
    return " \\\n".join([pin, *(f"    --hash=sha256:{one}" for one in sorted(hashes))]) + "\n"


def build(source: Path, cache: Path, python: str, machine: str) -> dict[str, str | int]:
    """Make the archive of a target, unless it is there: its path, size in bytes, and the release that it is."""
    target = f"cp{python.replace('.', '')}-{machine}"
    flags = pip_target(python, machine)
    with _alone(cache), tempfile.TemporaryDirectory(dir=cache) as folder:
        wheels = Path(folder) / "wheels"
        own = _own_wheel(source, wheels)
        pins = (source / LOCK).read_text(encoding="utf-8")
        digest = hashlib.sha256(own.read_bytes() + pins.encode()).hexdigest()
        version = own.name.split("-")[1]
        release = f"{version}-{digest[:8]}"
        archive = cache / f"{release}-{target}.tar"
        if not archive.exists():
            given = ["--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK), "--dest", str(wheels)]
            pip("download", *flags, *given, where=source)
            ours = f"hopmap[{EXTRAS}]=={version}"
            requirements = pins + _pin(ours, {hashlib.sha256(own.read_bytes()).hexdigest()})
            (wheels / "requirements.txt").write_text(requirements, encoding="utf-8")
            _pack(wheels, archive, f"hopmap/releases/{release}/wheels")
    return {"release": release, "archive": str(archive), "bytes": archive.stat().st_size}


def _own_wheel(source: Path, where: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(where), where=source)
    return next(where.glob("hopmap-*.whl"))


def _pack(folder: Path, archive: Path, inside: str) -> None:
    beside = archive.with_suffix(".part")
    with tarfile.open(beside, "w") as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, f"{inside}/{path.name}")
    beside.replace(archive)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Several hosts ask at once; the second finds what the first made."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Exit code 1 with one line on stderr when something can be mended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["build", "lock"])
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="of the node")
    parser.add_argument("--machine", default="x86_64", help="the node's processor, as uname -m says")
    parser.add_argument("--source", type=Path, default=ROOT, help="the source tree (default: this one)")
    parser.add_argument("--cache", type=Path, default=ROOT / ".wheelhouse", help="where archives are kept")
    given = parser.parse_args()
    try:
        if given.what == "lock":
            lock(given.source.resolve())
        else:
            made = build(given.source.resolve(), given.cache.resolve(), given.python, given.machine)
            sys.stdout.write(f"{json.dumps(made)}\n")
    except Problem as problem:
        sys.stderr.write(f"wheelhouse: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
