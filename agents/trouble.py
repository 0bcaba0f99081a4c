"""That probes can't be sent, such as on a line that is down: said once, and again when they can be."""

import logging

from hopmap.logs import event

_log = logging.getLogger(__name__)
_NOT_SOONER = 60.0  # seconds between two of the same, where some probes leave and others do not


class SendTrouble:
    """Looks at what the last probe came to, step by step."""

    def __init__(self) -> None:
        self._told = False
        self._told_at = float("-inf")

    def look(self, why: str | None, now: float) -> None:
        """`why` the last probe did not leave, None when it did; `now` in steady seconds."""
        if why is None and self._told:
            self._told = False
            event(_log, logging.INFO, "sending_again")
        elif why is not None and not self._told and now - self._told_at >= _NOT_SOONER:
            self._told, self._told_at = True, now
            event(_log, logging.WARNING, "cannot_send", why=why)
