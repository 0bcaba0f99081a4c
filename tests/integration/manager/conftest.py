"""What several tests of the manager visit."""

from collections.abc import Iterator

import pytest

from tests.integration.manager import front_box, front_site


@pytest.fixture(scope="module")
def site() -> Iterator[front_site.Site]:
    """Everything behind a TLS front, once for a file of tests."""
    why_not = front_box.why_not()
    if why_not:
        pytest.skip(why_not)
    with front_site.built() as made:
        yield made
