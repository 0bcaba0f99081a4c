"""What is kept of the dealings with dy.fi, in a file that is replaced whole."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import write_whole
from hopmap.logs import event
from manager.dyfi.core.moment import Moment
from manager.dyfi.core.schedule import Standing

FILE = "dyfi.json"
_log = logging.getLogger(__name__)


def load(state_dir: Path, now: Moment) -> Standing:
    """What was kept. A damaged file counts as a request made just now: better late than too often."""
    try:
        body = json.loads((state_dir / FILE).read_bytes())
        moments = {name: Moment(*body[name]) if body[name] else None for name in ("asked", "ok")}
        return Standing(**body | moments)
    except FileNotFoundError:
        return Standing()
    except OSError as error:
        raise UserError(f"cannot read {state_dir / FILE}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        event(_log, logging.WARNING, "dyfi_state_damaged", file=state_dir / FILE, why=error)
        return Standing(asked=now)


def keep(state_dir: Path, standing: Standing) -> None:
    """Durable on return. OSError when the disk does not take it."""
    write_whole(state_dir / FILE, json.dumps(asdict(standing)).encode())
