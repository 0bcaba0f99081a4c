"""What a person does to get in: set-up from the one-time link, authenticator, sign-in."""

import time
from collections.abc import Callable
from typing import Any

import pyotp

PASSWORD = "several words of nothing"


def fresh_code(secret: str, used: str) -> str:
    """A code that was not used yet; waits for the next half minute where it must."""
    otp = pyotp.TOTP(secret)
    while otp.now() == used:
        time.sleep(0.5)
    return str(otp.now())


def set_up(page: Any, link: str, look: Callable[[str], object] = lambda _: None) -> tuple[str, str, list[str]]:
    """By keyboard alone, from the link to the overview: the secret, the code that was used, the recovery codes."""
    page.goto(link)
    look("set-up")
    page.keyboard.type("alice")
    for _ in range(2):
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(".qr svg")
    look("authenticator")
    secret = page.text_content(".key code").replace(" ", "")
    code = pyotp.TOTP(secret).now()
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_selector(".codes")
    look("codes")
    codes = page.locator(".codes code").all_text_contents()
    page.click("text=I have kept them")
    page.wait_for_selector("#headline")
    return secret, code, codes


def sign_in(page: Any, code: str, name: str = "alice") -> None:
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.fill("input[name=code]", code)
    page.keyboard.press("Enter")
