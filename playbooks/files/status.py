"""One line about this node, for the table of `playbooks/status.yml`."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

PARTS = ("agent", "input", "output", "atlas", "manager", "gateway")


def run(*command: str) -> str:
    """What a program prints, nothing where it is missing."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def state(part: str) -> str:
    """A unit's state, empty where it is not set up."""
    told = run("systemctl", "show", "--property=LoadState,ActiveState", f"hopmap-{part}.service")
    return "" if "LoadState=not-found" in told else told.rpartition("ActiveState=")[2].splitlines()[0]


def agent_waiting() -> str:
    """Results in the agent's spool, a dash where it does not say."""
    try:
        lines = Path("/etc/hopmap/agent.yaml").read_text(encoding="utf-8").splitlines()
        settings = dict(line.split(": ", 1) for line in lines if ": " in line)
        host = settings.get("host", "127.0.0.1").strip("'\"")
        host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - asked where it listens on all
        url = f"http://{host}:{settings.get('health_check_port', '8090')}/health"
        with urllib.request.urlopen(url, timeout=3) as answer:
            return str(json.load(answer)["statistics"]["spool_results"])
    except (OSError, ValueError, KeyError):
        return "-"


def main() -> None:
    """Print it as JSON."""
    states = {part: told for part in PARTS if (told := state(part))}
    shown = run("/opt/hopmap/hopmap-release", "show")
    release = (json.loads(shown) if shown else {}).get("current") or ""
    pyz = Path("/usr/local/lib/hopmap/hopmap-agent.pyz")
    agent = run("python3", "-I", str(pyz), "--version").rpartition(" ")[2] if pyz.exists() else ""
    sys.stdout.write(
        json.dumps(
            {
                "release": release or agent or "-",
                "well": "yes" if states and set(states.values()) == {"active"} else "NO",
                "runs": " ".join(one if told == "active" else f"{one}:{told}" for one, told in states.items()) or "-",
                "waiting": agent_waiting() if "agent" in states else "-",
            }
        )
    )


main()
