"""Tells people when nodes fall silent, lag or fail: by webhook and by mail, from an outbox that survives restarts."""

import contextlib
import hashlib
import json
import logging
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode
from manager.fleet.core import letter
from manager.fleet.core.condition import BAD
from manager.fleet.core.destination import Destination, Refused, read_url
from manager.fleet.core.letter import News
from manager.fleet.history_store import Alarm, HistoryStore
from manager.fleet.line import Line, Silent
from manager.fleet.polling import Changed

MOST_LETTERS = 500
GATHER_SECONDS = 5.0
_MOST_GATHERED = 5_000
_SEND_SECONDS = 10.0
_log = logging.getLogger(__name__)
Send = Callable[[str], None]


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
        self._line, self._to = line, webhook_url(url)

    def __call__(self, body: str) -> None:
        """Send one. NotSent."""
        headers = {"Content-Type": "application/json", "User-Agent": "hopmap-manager"}
        try:
            answer = self._line.request(self._to, "POST", "", body.encode(), headers, seconds=_SEND_SECONDS)
        except (Silent, Refused) as error:
            raise NotSent(str(error)) from error
        if not 200 <= answer.status < 300:
            raise NotSent(f"it answered {answer.status}")


def webhook_url(url: str) -> Destination:
    """A webhook's URL; ValueError (Refused) for one that can't be used."""
    found = read_url(url)
    return found if found.path else found._replace(path="/")


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


class Alarms:
    """Gathers changes for a few seconds, makes one letter of them, and sends it each `way` until it gets through."""

    def __init__(
        self, store: HistoryStore, ways: Mapping[str, Send], site: str, now: Callable[[], float] = time.time
    ) -> None:
        self._store, self._ways, self._site, self._now = store, ways, site, now
        self._gathered: list[News] = []
        self._lock = threading.Lock()
        self._ending, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self.sent = self.failed = self.given_up = 0
        self.problems: dict[str, str] = {}

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Send no more; what was gathered goes into the outbox, for the next start."""
        self._ending.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(_SEND_SECONDS)
        self.post()

    def tell(self, changed: Changed) -> None:
        """A node's state has changed."""
        node, condition = changed.node, changed.condition
        self.gather(
            News(
                node.id, node.name, node.kind, node.url, changed.before, condition.state, condition.since, condition.why
            )
        )

    def gather(self, news: News) -> None:
        """Something has changed that people are told of."""
        if news.before != news.state:
            event(
                _log, logging.WARNING, "node_changed", node=news.name, before=news.before, now=news.state, why=news.why
            )
        self._keep(news)
        with self._lock:
            if len(self._gathered) < _MOST_GATHERED:
                self._gathered.append(news)
        self._news.set()

    def _keep(self, news: News) -> None:
        """For the page of alarms."""
        try:
            if news.state in BAD:
                alarm = Alarm(news.node, news.name, news.kind, news.state, news.since, news.why)
                self._store.alarm(alarm, goes_on=news.before in BAD)
            else:
                self._store.alarm_ended(news.node, news.since)
        except OSError as error:
            event(_log, logging.ERROR, "alarm_not_kept", why=one_line(error))

    def post(self) -> None:
        """Put what was gathered into the outbox."""
        with self._lock:
            gathered, self._gathered = letter.settled(self._gathered), []
        if not gathered or not self._ways:
            return
        body = decode.dump(letter.body(gathered, self._site)).decode()
        try:
            self.given_up += self._store.post(body, tuple(self._ways), self._now(), MOST_LETTERS)
        except OSError as error:
            event(_log, logging.ERROR, "alarm_not_kept", why=one_line(error))

    def send(self) -> None:
        """Try every letter that is due, each once."""
        for number, body, way, tries in self._store.letters(self._now()):
            if self._ending.is_set():
                return
            if way not in self._ways:  # it was configured when the letter was written
                self._store.drop(number)
                continue
            try:
                self._ways[way](body)
            except NotSent as error:
                self._put_off(number, way, tries + 1, str(error))
            else:
                self._store.drop(number)
                self.sent += 1
                self.problems.pop(way, None)

    def _put_off(self, number: int, way: str, tries: int, why: str) -> None:
        self.failed += 1
        self.problems[way] = why
        event(_log, logging.WARNING, "alarm_not_sent", way=way, tries=tries, why=why)
        wait = letter.wait(tries)
        if wait is None:
            self.given_up += 1
            self._store.drop(number)
        else:
            self._store.put_off(number, self._now() + wait)

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._news.wait(GATHER_SECONDS) and not self._ending.is_set():
                self._news.clear()
                self._ending.wait(GATHER_SECONDS)
            try:
                self.post()
                self.send()
            except OSError as error:
                event(_log, logging.ERROR, "alarms_stuck", why=one_line(error))
