"""Alarms: once a change, to a real webhook and a real mail server, through outages and restarts."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email import message_from_string
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from manager.failover.core.word import Word
from manager.failover.succession import Succession
from manager.fleet.alarms import MOST_LETTERS, Alarms
from manager.fleet.core.condition import Condition
from manager.fleet.core.destination import Refused, read_networks
from manager.fleet.core.node import Node
from manager.fleet.history_store import HistoryStore
from manager.fleet.line import Line
from manager.fleet.polling import Changed
from manager.fleet.ways import Mail, MailServer, NotSent, Webhook, read_mail_server

HOME = read_networks(["127.0.0.0/8"])


class Hook(BaseHTTPRequestHandler):
    """Takes letters, or refuses them."""

    status = 200
    letters: list[Any]
    targets: list[str]

    def do_POST(self) -> None:
        self.targets.append(self.path)
        self.letters.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        if self.status == 302:
            self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def hook() -> Iterator[Any]:
    made: Any = type("OwnHook", (Hook,), {"letters": [], "targets": []})
    server = HTTPServer(("127.0.0.1", 0), made)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


class MailServerOfTheTest:
    """Speaks as much SMTP (RFC 5321) as is needed; `refuse` is a command that it says 550 to."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.mails: list[str] = []
        self.refuse = ""
        self.commands: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                with line, suppress(OSError), line.makefile("rwb") as file:
                    self._talk(file)

    def _talk(self, file: Any) -> None:
        def say(words: str) -> None:
            file.write(f"{words}\r\n".encode())
            file.flush()

        say("220 mail.test")
        while command := file.readline().decode().strip():
            self.commands.append(command)
            word = command.split()[0].upper()
            if word == self.refuse:
                say("550 no")
            elif word == "DATA":
                say("354 go on")
                mail = []
                while (text := file.readline().decode()) != ".\r\n":
                    mail.append(text)
                self.mails.append("".join(mail))
                say("250 taken")
            elif word == "EHLO":
                say("250-mail.test\r\n250 AUTH PLAIN")
            elif word == "AUTH":
                say("235 welcome")
            else:
                say("221 bye" if word == "QUIT" else "250 ok")

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(5)


@pytest.fixture
def post_office() -> Iterator[MailServerOfTheTest]:
    made = MailServerOfTheTest()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HistoryStore]:
    made = HistoryStore(tmp_path)
    yield made
    made.close()


def changed(name: str = "pi-1", before: str = "ok", state: str = "silent") -> Changed:
    node = Node(f"id-{name}", "https://pi.example", "agent", "agent-1", name)
    return Changed(node, before, Condition(state, 1_795_420_800.0, "Gone."))


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_420_800.0

    def __call__(self) -> float:
        return self.now


def test_a_webhook_gets_one_letter_for_all_changes(store: HistoryStore, hook: Any) -> None:
    alarms = Alarms(store, {"webhook": Webhook(Line(HOME), hook.url)}, "https://m.example", Clock())
    alarms.tell(changed())
    alarms.tell(changed("pi-2"))
    alarms.tell(changed("pi-3"))
    alarms.tell(changed("pi-3", "silent", "ok"))
    alarms.post()
    alarms.send()
    alarms.post()
    alarms.send()
    (letter,) = hook.letters
    assert letter["subject"] == "hopmap: 2 nodes changed: 2 silent"
    assert [one["name"] for one in letter["nodes"]] == ["pi-1", "pi-2"]
    assert (alarms.sent, alarms.failed) == (1, 0)


@pytest.mark.parametrize("target", ["/", "/hook/", "/a/b/c/d/e/f?api-version=1&sp=%2Fx&sig=a-_b~", "/?key=/x/"])
def test_a_webhook_has_its_path_and_query_as_they_stand(hook: Any, target: str) -> None:
    Webhook(Line(HOME), hook.url.removesuffix("/hook") + target)('{"subject": "s"}')
    Webhook(Line(HOME), hook.url.removesuffix("/hook"))('{"subject": "s"}')
    assert hook.targets == [target, "/"]


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_webhook_that_fails_is_tried_again_and_given_up(store: HistoryStore, hook: Any, status: int) -> None:
    clock = Clock()
    alarms = Alarms(store, {"webhook": Webhook(Line(HOME), hook.url)}, "", clock)
    hook.status = status
    alarms.tell(changed())
    alarms.post()
    for _ in range(20):
        alarms.send()
        alarms.send()  # before its time nothing is tried
        clock.now += 3_600
    assert len(hook.letters) == 8
    assert (alarms.sent, alarms.failed, alarms.given_up) == (0, 8, 1)
    assert str(status) in alarms.problems["webhook"]


def test_letters_wait_for_the_next_start(store: HistoryStore, hook: Any) -> None:
    clock = Clock()
    hook.status = 500
    first = Alarms(store, {"webhook": Webhook(Line(HOME), hook.url)}, "", clock)
    first.tell(changed())
    first.post()
    first.send()
    first.tell(changed("pi-2"))
    first.close()  # what was gathered is kept
    hook.status = 200
    clock.now += 10
    second = Alarms(store, {"webhook": Webhook(Line(HOME), hook.url)}, "", clock)
    second.send()
    assert [one["subject"] for one in hook.letters[1:]] == ["hopmap: pi-1 is silent", "hopmap: pi-2 is silent"]
    assert second.problems == {}


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://10.0.0.1/x", "http://[::ffff:10.0.0.1]/x", "http://[::1]:8080/x"]
)
def test_a_webhook_goes_nowhere_that_is_not_allowed(url: str) -> None:
    with pytest.raises(NotSent, match="does not connect there"):
        Webhook(Line(HOME), url)("{}")
    with pytest.raises(Refused):
        Webhook(Line(), "ftp://example.org/")


def test_mail(store: HistoryStore, post_office: MailServerOfTheTest) -> None:
    server = read_mail_server(f"smtp://127.0.0.1:{post_office.port}", "user secret words")
    assert server.password == "secret words"
    mail = Mail(server, "hopmap@example.org", ("ops@example.org", "night@example.org"))
    alarms = Alarms(store, {"mail": mail}, "https://m.example", Clock())
    alarms.tell(changed())
    alarms.post()
    alarms.send()
    (text,) = post_office.mails
    assert "Subject: hopmap: pi-1 is silent\r\n" in text
    assert "To: ops@example.org, night@example.org\r\n" in text
    assert "pi-1 (agent) is silent since" in text
    assert sum(one.upper().startswith("RCPT TO") for one in post_office.commands) == 2


def test_a_mail_says_when_it_was_written_and_is_known_when_it_comes_twice(post_office: MailServerOfTheTest) -> None:
    mail = Mail(MailServer("smtp", "127.0.0.1", post_office.port), "hopmap@example.org", ("b@example.org",))
    for text in ("one", "one", "other"):
        mail(json.dumps({"subject": "s", "text": text}))
    found = [message_from_string(one) for one in post_office.mails]
    for one in found:
        assert abs(parsedate_to_datetime(one["Date"]).timestamp() - time.time()) < 60
    first, again, other = (one["Message-ID"] for one in found)
    assert first == again != other
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", first)


@pytest.mark.parametrize("refuse", ["MAIL", "RCPT", "AUTH", "EHLO", "QUIT"])
def test_a_mail_server_that_refuses(post_office: MailServerOfTheTest, refuse: str) -> None:
    post_office.refuse = refuse
    mail = Mail(MailServer("smtp", "127.0.0.1", post_office.port, "u", "p"), "a@example.org", ("b@example.org",))
    body = json.dumps({"subject": "s", "text": "t"})
    if refuse == "QUIT":
        mail(body)
    else:
        with pytest.raises(NotSent, match="did not take it"):
            mail(body)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_no_mail_in_the_clear_where_tls_was_wanted(post_office: MailServerOfTheTest, scheme: str) -> None:
    if scheme == "smtps":
        post_office.close()
    with pytest.raises(NotSent):
        Mail(MailServer(scheme, "127.0.0.1", post_office.port), "a@example.org", ("b@example.org",))(
            json.dumps({"subject": "s", "text": "t"})
        )
    assert post_office.mails == []
    if scheme == "smtps":
        post_office.listener = socket.create_server(("127.0.0.1", 0))


@pytest.mark.parametrize("subject", ["a\r\nBcc: all@example.org", "a\nb"])
def test_no_header_can_be_put_in(post_office: MailServerOfTheTest, subject: str) -> None:
    mail = Mail(MailServer("smtp", "127.0.0.1", post_office.port), "a@example.org", ("b@example.org",))
    with pytest.raises(NotSent):
        mail(json.dumps({"subject": subject, "text": "t"}))
    assert post_office.mails == []


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http://localhost", "smtp://", "smtp://u@h", "smtp://h/x", "smtp://h?x=1", "smtp://h:99999"],
)
def test_mail_servers_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be smtp|range"):
        read_mail_server(url)


def test_a_login_without_a_password() -> None:
    with pytest.raises(ValueError, match="user and a password"):
        read_mail_server("smtp://localhost", "user")
    assert [read_mail_server(f"{one}://h").port for one in ("smtp", "smtp+starttls", "smtps")] == [25, 587, 465]


def test_the_outbox_is_bounded_and_old_ways_are_forgotten(store: HistoryStore) -> None:
    refused: list[str] = []

    def never(body: str) -> None:
        refused.append(body)
        raise NotSent("no")

    clock = Clock()
    alarms = Alarms(store, {"webhook": never}, "", clock)
    for one in range(MOST_LETTERS + 5):
        alarms.tell(changed(f"pi-{one}"))
        alarms.post()
    assert alarms.given_up == 5
    Alarms(store, {}, "", clock).send()
    assert store.letters(clock.now)  # twenty of a way that is no more are dropped at a time
    nobody = Alarms(store, {}, "", clock)
    nobody.tell(changed())
    nobody.post()
    for _ in range(30):
        nobody.send()
    assert store.letters(clock.now) == []
    assert refused == []


def test_in_the_background(store: HistoryStore, hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manager.fleet.alarms.GATHER_SECONDS", 0.05)
    arrived = threading.Event()
    send = Webhook(Line(HOME), hook.url)

    def sent(body: str) -> None:
        send(body)
        arrived.set()

    ways: dict[str, Callable[[str], None]] = {"webhook": sent}
    alarms = Alarms(store, ways, "")
    alarms.start()
    alarms.tell(changed())
    assert arrived.wait(20)
    alarms.close()
    assert len(hook.letters) == 1


def test_a_take_over_is_a_letter_by_every_way(store: HistoryStore, hook: Any, post_office: MailServerOfTheTest) -> None:
    mail = Mail(MailServer("smtp", "127.0.0.1", post_office.port), "hopmap@example.org", ("ops@example.org",))
    ways: dict[str, Callable[[str], None]] = {"webhook": Webhook(Line(HOME), hook.url), "mail": mail}
    alarms = Alarms(store, ways, "https://hopmap.dy.fi", Clock())
    one = Succession("hopmap.dy.fi", 1, alarms.gather, ())
    one.took_over(16, 33, 1_795_420_800.0)
    alarms.post()
    alarms.send()
    one.heard(Word("m0", 0, 33, leads=False, ready=True, at=0.0), 1_795_424_400.0)
    alarms.post()
    alarms.send()
    assert [letter["subject"] for letter in hook.letters] == [
        "hopmap: hopmap.dy.fi, rank 0 is silent", "hopmap: hopmap.dy.fi, rank 0 is well again",
    ]  # fmt: skip
    assert hook.letters[0]["nodes"][0]["why"] == "Rank 1 leads in its place, in epoch 33."
    assert len(post_office.mails) == 2
    assert "Subject: hopmap: hopmap.dy.fi, rank 0 is silent\r\n" in post_office.mails[0]
    (ended,) = store.alarms(ended=True)
    assert (ended.kind, ended.state, ended.ended) == ("manager", "silent", 1_795_424_400.0)
