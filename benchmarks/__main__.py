"""`python -m benchmarks [NAME...]`: the table of figures, each measured beside a peer or a floor in the same run.

About 16 minutes in all on two cores. Without root, /dev/net/tun, fping or scamper some can't run: they say so.
"""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    "lab_rate": "packets per second that the lab sustains",
    "one_file": "hopmap-agent.pyz over TLS: memory, CPU, bytes on the line beside scamper",
    "engine_rate": "CPU per echo pair: engine, fping, icmplib",
    "rtt_error": "RTTs beside the lab's truth, by the kernel's stamps and by reading time",
    "trace_recall": "recall, false links and probes per target beside scamper",
    "fleet_recall": "the same for eight workers that share what they passed, by way of the services",
    "trace_curve": "recall against probes spent, from the thriftiest to the most thorough",
    "route_change": "changed routes found again: time and packets",
    "input_serving": "GET / beside a bare hello; memory",
    "manager_load": "500 workers through the gateway, 20 people on pages: p95 of a page, CPU, memory",
    "output_ingest": "results over HTTP beside a bare executemany; POST p99 while dumping and rotating",
}


def main() -> int:
    """Run those named, or all; exit code 1 when one failed."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}\n")
        return 2
    failed = []
    for name in names:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        ended = subprocess.run([sys.executable, Path(__file__).parent / f"{name}.py"], check=False)
        if ended.returncode:
            failed.append(name)
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
