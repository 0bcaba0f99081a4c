"""Whether what a manager's directory holds is what counts: the commands by hand look before they touch it."""

from pathlib import Path

from hopmap.errors import UserError
from manager import vault
from manager.failover import replica


def find_vault(state_dir: Path) -> None:
    """UserError where no vault is, or none that counts: what a manager that stands by has is of its last epoch."""
    refuse_standing_by(state_dir)
    if not (state_dir / vault.FILE).exists():
        raise UserError(f"{state_dir} holds no vault: give the manager's directory with --state-dir")


def refuse_standing_by(state_dir: Path) -> None:
    """UserError where a manager stands by."""
    if (state_dir / replica.FILE).exists():
        raise UserError(
            f"the manager of {state_dir} stands by with what the leader keeps: do that on the one that leads"
        )
