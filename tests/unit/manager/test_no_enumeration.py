"""Nothing tells who has an account: not by words, and not by time.

Time is measured as the work that a sign-in does (CPU of the thread), so that a loaded machine does not blur it, in
turns, so that what drifts drifts for both; names are compared by how often one takes longer than the other
(Mann-Whitney's U as a share, 0.5 where there is no difference). The same measure finds a planted fault.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from manager.auth.hashing import Hasher
from manager.core.passwords import Cost
from manager.core.users import User

ROUNDS = 60
NAMES = {
    "a user": "alice",
    "a disabled user": "bob",
    "nobody": "nobody",
    "no name that could be": "N\u00f6 one!",
    "empty": "",
}
MOST_DIFFERENT = 0.2  # of 0.5: 60 rounds of equal things differ by more once in 6,000 (deviation 0.053)
A_TENTH = 0.1


@pytest.fixture
def house(make_house: Callable[..., Any]) -> Any:
    found = make_house()
    found.set_up("alice")
    accounts = found.door.accounts
    accounts._hasher = Hasher(lambda count: b"s" * count, Cost(2048, 1))
    phc = accounts.hash("several words of nothing")
    accounts.change("test", "alice", "x", password=phc)
    accounts.put("test", User("bob", "viewer", phc, "A" * 32, 0, (), "", disabled=True), "x")
    return found


def work(house: Any, round_: int, name: str) -> float:
    """Seconds of CPU of one sign-in with a wrong password, from a place of its own."""
    browser = house.browser(f"10.{round_ % 250}.{len(name)}.{round_ // 250 + 1}")
    house.time += 120
    began = time.thread_time()
    answer = browser.post("/login", {"name": name, "password": "not the password", "code": "123456"})
    spent = time.thread_time() - began
    assert answer.status == 403
    return spent


def measured(house: Any, names: Sequence[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(ROUNDS):
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            found[name].append(work(house, round_, name))
    return found


def longer(one: Sequence[float], other: Sequence[float]) -> float:
    """How often one takes longer than the other: 0.5 for the same."""
    return sum((a > b) + (a == b) / 2 for a in one for b in other) / len(one) / len(other)


def median(times: Sequence[float]) -> float:
    return sorted(times)[len(times) // 2]


def test_a_sign_in_takes_as_long_whoever_is_named(house: Any) -> None:
    found = measured(house, [*NAMES.values()])
    known = found["alice"]
    for kind, name in NAMES.items():
        share = longer(found[name], known)
        # what is over must be seen by rank and by size, to be told from the noise of one or the other
        differs = abs(share - 0.5) > MOST_DIFFERENT and abs(median(found[name]) / median(known) - 1) > A_TENTH
        assert not differs, (kind, share, median(found[name]), median(known))


def test_the_measure_sees_a_sign_in_that_does_not_hash_for_nobody(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the test above can fail: without the dummy hash a name that nobody has is found out."""
    matches = house.door.accounts._hasher.matches
    monkeypatch.setattr(
        house.door.accounts._hasher, "matches", lambda word, phc: phc is not None and matches(word, phc)
    )
    found = measured(house, ["alice", "nobody"])
    assert longer(found["nobody"], found["alice"]) < 0.5 - MOST_DIFFERENT
    assert median(found["nobody"]) / median(found["alice"]) < 1 - A_TENTH


def test_a_set_up_link_says_no_more_of_a_name(house: Any) -> None:
    """Who guesses links learns nothing: unknown, used and withdrawn ones have one answer."""
    house.door.links.make("alice", "viewer", "carol", 1800.0)
    withdrawn = house.door.links.make("alice", "viewer", "dave", 1800.0)
    house.door.links.drop("alice", "dave")
    expired = house.door.links.make("alice", "viewer", "erin", -1.0)
    answers = set()
    for place, token in enumerate(("nonsense", "x" * 43, withdrawn, expired)):
        answer = house.browser(f"10.9.9.{place}").get(f"/set-up?token={token}")
        answers.add((answer.status, answer.text))
    assert len(answers) == 1
