"""The ways by which alarms reach people: a webhook, and the operator's mail server."""

import contextlib
import hashlib
import json
import re
import smtplib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from manager.fleet.core.destination import Destination, Refused, read_url
from manager.fleet.line import Line, Silent

_SEND_SECONDS = 10.0
_LONGEST_URL = 2_000
_TARGET = re.compile(r"[!\"$-~]*")  # of a request (RFC 9112 3.2): visible ASCII, and no #


class NotSent(Exception):
    """A letter did not get through; the text says why."""


class MailServer(NamedTuple):
    """Where mail is handed in: smtp (plain), smtp+starttls or smtps; user and password where it wants them."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""


def read_mail_server(url: str, login: str = "") -> MailServer:
    """From smtp://HOST[:PORT] and "USER PASSWORD"; ValueError says what is wrong."""
    parts = urlsplit(url)
    ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    if parts.scheme not in ports or not parts.hostname or parts.path.strip("/") or parts.username or parts.query:
        raise ValueError(f"{url[:80]!r} must be smtp://HOST, smtp+starttls://HOST or smtps://HOST, with a port or not")
    user, _, password = login.strip().partition(" ")
    if login.strip() and not password:
        raise ValueError("the login of the mail server must be a user and a password with a space between")
    return MailServer(parts.scheme, parts.hostname, parts.port or ports[parts.scheme], user, password)


class Webhook:
    """Posts letters to a URL, under the same rules as every place that is named by others."""

    def __init__(self, line: Line, url: str) -> None:
        self._line = line
        self._to, self._target = webhook_url(url)

    def __call__(self, body: str) -> None:
        """Send one. NotSent."""
        headers = {"Content-Type": "application/json", "User-Agent": "hopmap-manager"}
        try:
            answer = self._line.request(self._to, "POST", self._target, body.encode(), headers, seconds=_SEND_SECONDS)
        except (Silent, Refused) as error:
            raise NotSent(str(error)) from error
        if not 200 <= answer.status < 300:
            raise NotSent(f"it answered {answer.status}")


def webhook_url(url: str) -> tuple[Destination, str]:
    """Where a webhook is, and its path and query as they stand; ValueError (Refused) for one that can't be used.

    Unlike a node's URL it has whatever the one who receives wants: a long path, a key in the query.
    """
    begin, _, authority = url.partition("://")
    authority, _, target = authority.partition("/")
    if len(url) > _LONGEST_URL or not _TARGET.fullmatch(target):
        raise Refused(f"A URL has at most {_LONGEST_URL} plain characters, and no fragment.")
    return read_url(f"{begin}://{authority}"), f"/{target}"


class Mail:
    """Hands letters in at the operator's mail server."""

    def __init__(self, server: MailServer, sender: str, to: tuple[str, ...], tls: ssl.SSLContext | None = None) -> None:
        self._server, self._sender, self._to = server, sender, to
        self._tls = tls

    def __call__(self, body: str) -> None:
        """Send one. NotSent."""
        try:
            mail = self._mail(json.loads(body), hashlib.sha256(body.encode()).hexdigest()[:32])
            server = self._open()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotSent(f"the mail server did not take it ({type(error).__name__})") from error
        try:
            self._hand_in(server, mail)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotSent(f"the mail server did not take it ({type(error).__name__})") from error
        finally:
            with contextlib.suppress(OSError, smtplib.SMTPException):  # what was taken stays taken
                server.quit()
            server.close()

    def _mail(self, told: Mapping[str, str], told_as: str) -> EmailMessage:
        """A letter that is sent again, for nobody heard that it was taken, is known by `told_as` to be the same."""
        mail = EmailMessage()
        mail["Subject"] = told["subject"]
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Date"] = format_datetime(
            datetime.now(UTC)
        )  # RFC 5322 3.6: without one, servers refuse mail or distrust it
        mail["Message-ID"] = f"<{told_as}@{self._sender.rpartition('@')[2]}>"
        mail.set_content(told["text"])
        return mail

    def _hand_in(self, server: smtplib.SMTP, mail: EmailMessage) -> None:
        if self._server.scheme == "smtp+starttls":
            server.starttls(context=self._tls or ssl.create_default_context())
        if self._server.user:
            server.login(self._server.user, self._server.password)
        server.send_message(mail)

    def _open(self) -> smtplib.SMTP:
        where = self._server
        if where.scheme == "smtps":
            context = self._tls or ssl.create_default_context()
            return smtplib.SMTP_SSL(where.host, where.port, timeout=_SEND_SECONDS, context=context)
        return smtplib.SMTP(where.host, where.port, timeout=_SEND_SECONDS)
