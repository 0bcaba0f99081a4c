"""What a service answers when it can't do what was asked."""

from collections.abc import Mapping
from http import HTTPStatus


class Problem(Exception):
    """An HTTP error with a stable code and a sentence; raised anywhere while answering a request."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(detail)


def bad_request(detail: str) -> Problem:
    """The request itself is wrong; sending it again changes nothing."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad_request", detail)


def unavailable(detail: str, retry_after: int) -> Problem:
    """Not now: ask again after `retry_after` seconds."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail, {"Retry-After": str(retry_after)})
