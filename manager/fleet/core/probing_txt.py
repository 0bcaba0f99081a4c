"""The file that tells who probes and why: RFC 9511 section 4, in the form of RFC 9116. Pure."""

from datetime import UTC, datetime

LIFE_SECONDS = 180 * 86_400.0  # RFC 9116 2.5.5 asks for less than a year
PATH = "/.well-known/probing.txt"


def probing_txt(domain: str, contact: str, now: float) -> str:
    """Its text; `contact` is a mailto: or https: URI, `now` seconds since 1970. Lines end in CRLF."""
    expires = datetime.fromtimestamp(now + LIFE_SECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = (
        ("Canonical", f"https://{domain}{PATH}"),
        ("Contact", contact),
        ("Expires", expires),
        ("Preferred-Languages", "en"),
        (
            "Description",
            "hopmap maps the routes of the internet: single pings and slow traces; write to the contact to opt out.",
        ),
    )
    return "".join(f"{name}: {value}\r\n" for name, value in fields)
