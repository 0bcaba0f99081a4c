"""A person's way from the first start to the overview in a real browser: set-up, authenticator, codes, sign-in."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .conftest import free_port, wait_for
from .person import fresh_code, set_up, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A manager that nobody has signed in to yet: the link of its console."""
    port, said = free_port(), tmp_path / "err"
    nowhere = f"unix://{tmp_path}/none.sock"
    argv = [sys.executable, "-m", "hopmap", "manager", f"--port={port}", f"--inputs={nowhere}", f"--outputs={nowhere}",
            f"--state-dir={tmp_path}/manager"]  # fmt: skip
    with said.open("wb") as err, subprocess.Popen(argv, stderr=err) as process:
        wait_for(f"http://127.0.0.1:{port}/ready", process)
        found = re.search(r"http://\S+/set-up\?token=\S+", said.read_text())
        assert found
        yield found[0]
        process.terminate()


def test_from_the_first_start_to_the_overview_and_back_in(page: Any, fresh: str) -> None:
    secret, used, codes = set_up(page, fresh)
    assert len(codes) == 10
    assert page.complaints == []
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in')")
    sign_in(page, used)
    page.wait_for_selector("#wrong")
    assert "A code counts once" in page.text_content("#wrong")
    assert page.input_value("input[name=name]") == "alice"
    sign_in(page, codes[0])
    page.wait_for_selector("#headline")
    page.click("nav >> text=Account")
    assert "9 recovery codes left" in page.text_content("main")
    page.click("nav >> text=Users")
    page.fill("section:has-text('Invite') input[name=name]", "bob")
    page.click("text=Make a link")
    assert "/set-up?token=" in page.text_content(".said code")
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in')")
    sign_in(page, fresh_code(secret, used))
    page.wait_for_selector("#headline")
    page.goto(fresh)
    assert "was used" in page.text_content("main")
    assert page.hosts == {urlsplit(fresh).netloc}
    assert not [said for said in page.complaints if "status of 403" not in said]


def test_a_session_that_ended_elsewhere_leads_to_the_way_in(page: Any, fresh: str) -> None:
    set_up(page, fresh)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.wait_for_selector("h1:has-text('Sign in')", timeout=15_000)
    assert {cookie["httpOnly"] for cookie in cookies} == {True}
