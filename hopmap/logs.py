"""Structured logs to stderr: one line each, `LEVEL part event key=value`, quiet by default."""

import json
import logging
import sys


class LineFormatter(logging.Formatter):
    """One line whatever the message holds: control characters are escaped, so that nothing can forge a line."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            text = f"{text} error={type(error).__name__}: {error}"
        safe = json.dumps(text, ensure_ascii=True)[1:-1].replace('\\"', '"')
        return f"{record.levelname.lower()} {self._part} {safe}"


def start(part: str, *, verbose: bool) -> None:
    """Send this process's logs to stderr: warnings, or everything from info up when `verbose`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)


def event(log: logging.Logger, level: int, name: str, **fields: object) -> None:
    """Log an event as `name key=value ...`; text with spaces is quoted."""
    if log.isEnabledFor(level):
        log.log(level, "%s", " ".join([name, *(f"{key}={_shown(value)}" for key, value in fields.items())]))


def _shown(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(character in text for character in ' "=') else text
