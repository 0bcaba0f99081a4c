"""What a manager among several remembers over restarts, in a file that is replaced whole."""

import json
from dataclasses import asdict
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import write_whole
from manager.dyfi.core.moment import Moment
from manager.failover.core.watch import Memory

FILE = "failover.json"


def load(state_dir: Path) -> Memory:
    """What was kept. UserError for a damaged file: nobody may lead who forgot which epochs there were."""
    path = state_dir / FILE
    try:
        body = json.loads(path.read_bytes())
        return Memory(body["epoch"], body["led"], Moment(*body["confirmed"]) if body["confirmed"] else None)
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} is damaged: remove it while another manager of the name leads, whose epoch is learnt then"
        ) from error


def keep(state_dir: Path, memory: Memory) -> None:
    """Durable on return. OSError when the disk does not take it."""
    write_whole(state_dir / FILE, json.dumps(asdict(memory)).encode())
