"""What could not be written, as an answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from hopmap.errors import one_line
from services.chassis.problem import Problem
from services.input.log import LogError


@contextmanager
def storage() -> Iterator[None]:
    """What fails to be written here is told as a problem."""
    try:
        yield
    except (LogError, OSError) as error:
        raise unkept(error) from error


def unkept(error: Exception) -> Problem:
    """The answer to what could not be kept: 507, and what to do."""
    return Problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "storage",
        f"this can't be kept now ({one_line(error)}): free space in the state directory; nothing was acknowledged",
        {"Retry-After": "15"},
    )
