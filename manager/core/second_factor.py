"""The second factor: time-based codes (RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes of 80 bits."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence

import pyotp

STEP_SECONDS = 30
SECRET_BYTES = 20
RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(r"[A-Z2-7]{16}")
_MISREAD = str.maketrans("018", "OIB")


def secret_from(random: bytes) -> str:
    """A secret of 160 bits as base32, for an authenticator."""
    return base64.b32encode(random).decode()


def uri(secret: str, name: str, where: str) -> str:
    """The otpauth:// URI that a QR code shows."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=where)


def plain(code: str) -> str:
    """A code as it was typed, without spaces and dashes."""
    return re.sub(r"[\s-]", "", code)[:64]


def step_of(secret: str, code: str, now: float) -> int | None:
    """The 30 s step whose code this is: the present one or the one before (a code is typed, and sent), else None.

    Whether that step was used before is for the caller to say: a code counts once.
    """
    if not _CODE.fullmatch(plain(code)):
        return None
    otp, present = pyotp.TOTP(secret), int(now) // STEP_SECONDS
    found = [step for step in (present - 1, present) if hmac.compare_digest(otp.generate_otp(step), plain(code))]
    return found[-1] if found else None


def recovery_codes(random: Callable[[int], bytes]) -> list[str]:
    """Ten codes for people: four groups of four."""
    made = [base64.b32encode(random(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    return ["-".join(code[place : place + 4] for place in range(0, 16, 4)) for code in made]


def recovery_mark(name: str, code: str) -> str | None:
    """What is kept of a recovery code: a digest is enough, for 80 bits can't be tried out. None when it is no code."""
    text = plain(code).upper().translate(_MISREAD)
    if not _RECOVERY.fullmatch(text):
        return None
    return hashlib.sha256(f"hopmap recovery {name} {text}".encode()).hexdigest()


def spend(marks: Sequence[str], mark: str | None) -> tuple[str, ...] | None:
    """The marks that are left when one is used; None when it is not among them."""
    left = tuple(one for one in marks if not hmac.compare_digest(one, mark or ""))
    return left if len(left) < len(marks) else None
