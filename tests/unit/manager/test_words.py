"""Numbers, sizes, spans, clocks and browsers as people read them."""

import pytest

from manager.pages import words

_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"


def test_numbers() -> None:
    found = [words.grouped(value) for value in (None, 0, 12345, 3.21, 250.4)]
    assert found == ["\u2013", "0", "12,345", "3.2", "250"]
    assert [words.milliseconds(value) for value in (None, 12.34)] == ["\u2013", "12.3 ms"]
    assert [words.percent(value) for value in (None, 67)] == ["\u2013", "67 %"]


def test_spans_and_sizes() -> None:
    assert [words.ago(one) for one in (-3, 5, 90, 7200, 200_000)] == ["0 s", "5 s", "2 min", "2 h", "2 d"]
    found = [words.size(one) for one in (None, 900, 2.5e6, 3.2e9)]
    assert found == ["\u2013", "0.9 kB", "2.5 MB", "3.20 GB"]
    assert words.moment(0) == "1970-01-01 00:00 UTC"


@pytest.mark.parametrize(
    ("offset", "unsure", "told"),
    [
        (None, 0.0, "\u2013"),
        (-0.04, 0.5, "in step"),
        (1.4, 1.5, "in step"),
        (9.06, 0.5, "+9.1 s"),
        (-9.06, 0.5, "\u22129.1 s"),
    ],
)
def test_clocks(offset: float | None, unsure: float, told: str) -> None:
    assert words.clock(offset, unsure) == told


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (_CHROME, "Chrome on Linux"),
        (_CHROME.replace("X11; Linux", "Windows NT 10.0") + " Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Version/18.0 Safari/605.1.15", "Safari on Mac"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        ("Chrome/1", "Chrome"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 300, "x" * 40),
        ("\u202e\x07", "unknown"),
        ("", "unknown"),
    ],
)
def test_browsers(agent: str, told: str) -> None:
    assert words.browser(agent) == told
