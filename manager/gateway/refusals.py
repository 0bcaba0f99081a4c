"""What calls of the gateway's own socket are refused with when nothing could be kept."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from manager.keys import Full
from services.chassis.problem import Problem

T = TypeVar("T")


def kept(change: Callable[[], T]) -> T:
    """What the change returns; Problem 409 where there is no room, 507 where the disk takes nothing."""
    try:
        return change()
    except Full as error:
        raise Problem(HTTPStatus.CONFLICT, "full", str(error)) from error
    except OSError as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "storage", f"nothing was changed: {error}") from error


def later_epoch(epoch: int) -> Problem:
    """Problem 409: what is here is newer than what was said or given."""
    return Problem(HTTPStatus.CONFLICT, "later_epoch", f"epoch {epoch} is over: what is here is of a later one")
