"""The public pages: what anybody may read, what is said of an address, and an opt-out from asking to the receipt."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from hopmap.wire import decode
from hopmap.wire.control import OptOut
from hopmap.wire.target import Why
from hopmap.wire.told import Told, encode_told
from manager.fleet.core.destination import read_networks
from manager.fleet.core.node import Node
from manager.fleet.core.orders import Change
from manager.fleet.line import Answer, Silent
from manager.fleet.opting_out import OptingOut, Proofs

AT = "2026-11-23T08:00:00.000Z"
HOP = Told("62.1.2.3", target=True, why=Why("hop", seen_by="secret-agent", toward="62.9.9.9", first_seen=AT))


class Inputs:
    """Answers as an input does about an address, and as an address does about its file."""

    def __init__(self) -> None:
        self.told: Told | bytes | None = None
        self.file = b""
        self.asked: list[str] = []

    def request(self, to: Any, _method: str, path: str, *_: Any, **__: Any) -> Answer:
        if path == "/control":  # of the courier, which is not looked at here
            raise Silent("nothing listens there")
        self.asked.append(path)
        if path.startswith("/.well-known"):
            return Answer(200 if self.file else 404, {}, self.file, 0.0, 0.1)
        if self.told is None:
            raise Silent("nothing listens there")
        body = self.told if isinstance(self.told, bytes) else decode.dump(encode_told(self.told))
        return Answer(200, {}, body, 0.0, 0.1)


@pytest.fixture
def house(make_house: Callable[..., Any]) -> Any:
    found = make_house(line=Inputs(), contact="mailto:noc@example.org", allowed=read_networks(["10.0.0.0/8"]))
    found.fleet.registry.add("x", Node("", "http://10.0.0.5:8080", "input", "input-1", "one"))
    proofs = Proofs(lambda _: (), found.fleet.line)
    found.fleet.opting_out = OptingOut(
        found.fleet.steering, found.door.accounts.records[0], proofs, lambda: found.time, lambda n: b"r" * n
    )
    return found


@pytest.fixture
def stranger(house: Any) -> Any:
    return house.browser()


def why(house: Any, told: Told | bytes | None) -> tuple[int, str]:
    house.fleet.line.told = told
    answer = house.browser(f"192.0.2.{len(house.fleet.line.asked) % 200}").get("/why?address=62.1.2.3")
    return answer.status, answer.text


@pytest.mark.parametrize("path", ["/about", "/why", "/opt-out"])
def test_anybody_may_read_and_gets_no_cookie(house: Any, stranger: Any, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status, answer.cookies) == (200, [])
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "noc@example.org" in stranger.get("/about").text
    assert house.fleet.line.asked == []


def test_no_contact_is_said(make_house: Callable[..., Any]) -> None:
    assert "no contact set" in make_house().browser().get("/about").text


@pytest.mark.parametrize("domain", ["", "hopmap.example.org"])
def test_about_leads_to_probing_txt_where_there_is_one(make_house: Callable[..., Any], domain: str) -> None:
    browser = make_house(contact="mailto:noc@example.org", domain=domain).browser()
    text = browser.get("/about").text
    assert ("probing.txt" in text) == (browser.get("/.well-known/probing.txt").status == 200) == bool(domain)
    assert "the packets themselves" in text


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (HOP, ["answered as a router", "known here since 2026-11-23 08:00 UTC", "not known here when"]),
        (Told("62.1.2.3", target=True, why=Why("seed", "aws", "eu-north-1"), last_outcome=AT),
         ["aws publishes as its own, region eu-north-1", "came of a probe: 2026-11-23 08:00 UTC"]),
        (Told("62.1.2.3", target=True, why=Why("seed")), ["whoever runs this chose"]),
        (Told("62.1.2.3", target=True, why=Why("import")), ["taken over"]),
        (Told("62.1.2.3", target=False), ["None of our services has it"]),
        (Told("62.1.2.3", target=True, why=HOP.why, refused="opt-out"), ["has it on a list"]),
        (Told("62.1.2.3", target=True, why=Why("seed", '"><img src=x>')), ["&lt;img src=x"]),
    ],
)  # fmt: skip
def test_why_an_address_is_probed(house: Any, told: Told, words: list[str]) -> None:
    status, text = why(house, told)
    assert (status, [word for word in words if word not in text]) == (200, [])
    assert "secret-agent" not in text
    assert "62.9.9.9" not in text


@pytest.mark.parametrize("told", [None, b"", b"{}", b"<html>", Told("62.1.2.4", target=True)])
def test_inputs_that_do_not_answer_or_talk_nonsense(house: Any, told: Any) -> None:
    status, text = why(house, told)
    assert (status, "do not answer right now" in text) == (503, True)


def test_who_is_left_alone_is_told_so_also_while_inputs_are_away(house: Any) -> None:
    house.fleet.steering.change("x", Change(opt_out=(OptOut("62.1.2.0/24", "a private word", "2026-11-01"),)))
    status, text = why(house, None)
    assert (status, "left alone since 2026-11-01: 62.1.2.0/24" in text) == (200, True)
    assert "a private word" not in text
    assert "Have it left alone" not in text


def test_nobody_asks_without_end(house: Any, stranger: Any) -> None:
    house.fleet.line.told = HOP
    statuses = [stranger.get("/why?address=62.1.2.3").status for _ in range(14)]
    assert statuses == [200] * 10 + [429] * 4
    answer = stranger.get("/why?address=62.1.2.3")
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert house.browser("192.0.2.77").get("/why?address=62.1.2.3").status == 200
    assert len(house.fleet.line.asked) == 11
    held = [house.fleet.origins._places.acquire(blocking=False) for _ in range(2)]
    assert held == [True, True]
    assert house.browser("192.0.2.78").get("/why?address=62.1.2.3").status == 429


def asked(stranger: Any, address: str = "62.1.2.3") -> tuple[str, dict[str, str]]:
    """The page of a request, and the fields of its form."""
    answer = stranger.post("/opt-out", {"address": address})
    assert answer.status == 303, answer.text
    page = stranger.get(answer.headers["location"])
    assert page.status == 200
    return page.text, dict(re.findall(r'name="(for|token)" value="([^"]+)"', page.text))


def test_from_asking_to_the_receipt_and_back_again(house: Any, stranger: Any) -> None:
    page, fields = asked(stranger)
    assert "http://62.1.2.3/.well-known/hopmap-opt-out.txt" in page
    assert f"hopmap-opt-out-{fields['token']}" in page
    missing = stranger.post("/opt-out/check", fields)
    assert (missing.status, "No proof was found" in missing.text) == (409, True)
    house.time += 31
    house.fleet.line.file = fields["token"].encode()
    done = stranger.post("/opt-out/check", fields)
    assert (done.status, "It is left alone." in done.text) == (200, True)
    assert [one.prefix for one in house.fleet.steering.orders.opt_outs] == ["62.1.2.3/32"]
    (receipt,) = re.findall(r"hopmap-receipt:[^<]+", done.text)
    other = house.browser("192.0.2.9")
    assert "It is left alone." in other.post("/opt-out/receipt", {"receipt": f" {receipt} "}).text
    house.fleet.steering.change("x", Change(opt_in=("62.1.2.3/32",)))
    assert "off the list again" in other.post("/opt-out/receipt", {"receipt": receipt}).text


def test_a_network_is_proven_in_its_reverse_zone_alone(house: Any, stranger: Any) -> None:
    page, fields = asked(stranger, "62.1.2.0/24")
    assert "the first address of the network, 62.1.2.0" in page
    assert "http://62.1.2.0" not in page
    house.fleet.line.file = fields["token"].encode()
    assert stranger.post("/opt-out/check", fields).status == 409
    assert house.fleet.steering.orders.opt_outs == []


def test_a_request_ends_after_a_week(house: Any, stranger: Any) -> None:
    _, fields = asked(stranger)
    house.time += 8 * 86_400
    answer = stranger.post("/opt-out/check", fields)
    assert (answer.status, "older than a week" in answer.text) == (400, True)


def test_proofs_are_looked_for_by_so_many_at_once(house: Any, stranger: Any) -> None:
    _, fields = asked(stranger)
    while house.fleet.opting_out._places.acquire(blocking=False):
        pass
    assert stranger.post("/opt-out/check", fields).status == 429
