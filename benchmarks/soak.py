"""Everything on one machine for a long time: does a part take more and more memory, descriptors or threads?

    python benchmarks/soak.py --minutes 120

Maps the lab as `hopmap up` does, samples every part, and compares the second quarter of the time with the last.
Exit code 1 when descriptors or threads rose, or memory by more than --megabytes-per-hour.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

_SLACK = 3  # descriptors and threads that come and go


class Sample(NamedTuple):
    """One process at one moment: resident MB, open descriptors, threads."""

    megabytes: float
    descriptors: int
    threads: int


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int((entry / "stat").read_text().rpartition(")")[2].split()[1])].append(int(entry.name))
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += parents[pid]
    return found


def part(pid: int) -> str:
    """What a process of ours is called, e.g. "input" or "agent agent-1.yaml"; empty for others."""
    words = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if "hopmap" not in words or "--" in words:
        return "lab" if "lab" in words else ""
    place = words.index("hopmap") + 1
    return " ".join(Path(word).name for word in words[place : place + 3] if not word.startswith("-"))


def sample(root: int) -> dict[str, Sample]:
    """Every part now."""
    found: dict[str, Sample] = {}
    for pid in family(root):
        try:
            status = dict(line.split(":", 1) for line in (Path("/proc") / str(pid) / "status").read_text().splitlines())
            descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count, no paths
            if name := part(pid):
                found[f"{name} ({pid})"] = Sample(
                    int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"])
                )
        except (OSError, KeyError):
            continue
    return found


def verdict(history: list[dict[str, Sample]], hours: float, megabytes_per_hour: float) -> int:
    """Print the table; how many parts grew."""
    early, late = history[len(history) // 4 : len(history) // 2], history[-len(history) // 4 :]
    grew = 0
    print(f"{'part':<28}{'MB':>7}{'MB/h':>8}{'descriptors':>16}{'threads':>12}")
    for name in sorted(history[-1]):
        before = [moment[name] for moment in early if name in moment]
        after = [moment[name] for moment in late if name in moment]
        if not before or not after:
            continue
        old, new = (
            Sample(*(statistics.median(column) for column in zip(*rows, strict=True))) for rows in (before, after)
        )
        slope = (new.megabytes - old.megabytes) / (hours / 2)
        bad = slope > megabytes_per_hour or new.descriptors > old.descriptors + _SLACK
        bad = bad or new.threads > old.threads + _SLACK
        grew += bad
        print(
            f"{name:<28}{new.megabytes:>7.1f}{slope:>8.1f}{old.descriptors:>8.0f} to {new.descriptors:<4.0f}"
            f"{old.threads:>5.0f} to {new.threads:<4.0f}{'  grows' if bad else ''}"
        )
    return grew


def main() -> int:
    """Run, sample, judge."""
    parser = argparse.ArgumentParser(description="hopmap up for a long time, watched")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--megabytes-per-hour", type=float, default=40.0, help="what a part may grow by")
    options = parser.parse_args()
    names = ("--input-port", "--output-port", "--output-health-port", "--manager-port", "--gateway-port")
    ports = free_ports(len(names))
    flags = [text for name, port in zip(names, ports, strict=True) for text in (name, str(port))]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hopmap", "up", "--no-terminal", "--data-dir", folder, *flags]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        history: list[dict[str, Sample]] = []
        end = time.monotonic() + options.minutes * 60
        try:
            while time.monotonic() < end and running.poll() is None:
                time.sleep(min(15.0, options.minutes * 60 / 20))
                history.append(sample(running.pid))
        finally:
            running.send_signal(signal.SIGINT)
            code = running.wait(60)
    if code or len(history) < 8:
        print(f"hopmap up ended with {code} after {len(history)} samples", file=sys.stderr)
        return 1
    return 1 if verdict(history, options.minutes / 60, options.megabytes_per_hour) else 0


if __name__ == "__main__":
    sys.exit(main())
