"""docs/data.md and NOTICE.md say of the shipped tables what the tables say of themselves."""

import re
from pathlib import Path

from hopmap.data import asn, cloud, country
from hopmap.data.special import REGISTRY

ROOT = Path(__file__).resolve().parents[4]


def test_dates_sizes_and_licences_in_the_docs() -> None:
    page = (ROOT / "docs/data.md").read_text()
    for module in (cloud, asn, country):
        table = module.load()
        (row,) = [line for line in page.splitlines() if f"| `{module.FILE}` |" in line]
        cells = [cell.strip() for cell in row.split("|")]
        size = (ROOT / "hopmap/data" / module.FILE).stat().st_size
        assert (cells[3], cells[5], cells[6]) == (table.date, f"{size / 1000:,.0f} kB", table.licence)
    assert f"{len(cloud.load().prefixes):,} prefixes" in page
    assert f"| {len(REGISTRY)} |" in page


def test_every_packed_source_is_in_the_notice() -> None:
    notice = (ROOT / "NOTICE.md").read_text()
    for module in (cloud, asn, country):
        table = module.load()
        package = re.search(r"(\S+ \d[\d.]*\d)", table.source)
        assert package is not None
        assert package.group(1) in notice
        assert table.date in notice
    assert all(name in notice for name in ("db-ip.com", "routeviews.org", "nro.net", "Yuix Networks", "Natural Earth"))
