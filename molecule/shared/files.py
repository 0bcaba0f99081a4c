"""`files.py note` lists the files of a host; `files.py compare` prints how they differ from that (exit code 1)."""

import hashlib
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

NOTED = Path("/var/tmp/files-before.json")  # noqa: S108 - of a host that lives for one test
# What changes by itself on a host that runs, is rebooted, and has a package installed and removed.
LEFT_OUT = {
    "/proc": "of the kernel",
    "/sys": "of the kernel",
    "/dev": "of the kernel",
    "/run": "gone with the next boot",
    "/tmp": "gone with the next boot",  # noqa: S108
    "/var/tmp": "of programs that run; the list itself",  # noqa: S108
    "/var/cache": "may be emptied at any time",
    "/var/log/journal": "the journal goes on",
    "/var/log/apt": "apt tells what it did",
    "/var/log/dpkg.log": "dpkg tells what it did",
    "/var/lib/dpkg/status-old": "what dpkg keeps of the time before its last change",
    "/var/log/wtmp": "who logged in, and when it was booted",
    "/var/log/wtmp.db": "who logged in, and when it was booted",
    "/var/log/lastlog": "who logged in",
    **dict.fromkeys(
        ("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"),
        "what useradd and userdel keep of the time before their last change",
    ),
    "/etc/hosts": "hosts of the scenario that came later",
    "/home/ops/.ansible": "of the one who plays",
}


def files(folder: Path) -> Iterator[Path]:
    """Everything under a folder but what is left out, in no order."""
    for path in folder.iterdir():
        if str(path) in LEFT_OUT:
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from files(path)


def form(path: Path) -> str:
    """Kind and rights, owner, and the digest of what is in it."""
    found = path.lstat()
    inside = ""
    if path.is_symlink():
        inside = str(path.readlink())
    elif stat.S_ISREG(found.st_mode):
        inside = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid} {inside}"


def differences(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """A line for each file that is not what it was."""
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            yield f"missing: {path} {before[path]}"
        elif path not in before:
            yield f"left: {path} {after[path]}"
        elif before[path] != after[path]:
            yield f"other: {path} {before[path]} -> {after[path]}"


def main() -> int:
    """Exit code 0 when nothing differs."""
    now = {str(path): form(path) for path in files(Path("/"))}
    if sys.argv[1] == "note":
        NOTED.write_text(json.dumps(now), encoding="utf-8")
        return 0
    found = list(differences(json.loads(NOTED.read_text(encoding="utf-8")), now))
    sys.stdout.writelines(f"{line}\n" for line in [*found, f"{len(now)} files, {len(found)} differ"])
    return 1 if found else 0


sys.exit(main())
