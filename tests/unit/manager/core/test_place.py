"""Which epoch's keys a gateway keeps."""

import pytest

from manager.core.place import ALONE, Place, may_become, takes


@pytest.mark.parametrize(
    ("place", "wanted", "may"),
    [
        (ALONE, Place(16, leads=True), True),
        (ALONE, Place(16, leads=False), True),
        (Place(16), Place(16, leads=False), True),
        (Place(16, leads=False), Place(33), True),
        (Place(33), Place(16), False),
        (Place(33), Place(16, leads=False), False),
        (Place(33, leads=False), Place(32), False),
        (Place(33, leads=False), ALONE, True),
    ],
)
def test_epochs_never_go_back(place: Place, wanted: Place, may: bool) -> None:
    assert may_become(place, wanted) is may


@pytest.mark.parametrize(
    ("place", "epoch", "takes_it"),
    [
        (ALONE, 16, True),
        (ALONE, 0, False),
        (Place(16, leads=False), 16, True),
        (Place(16), 16, False),
        (Place(16), 33, True),
        (Place(33), 16, False),
        (Place(33, leads=False), 16, False),
    ],
)
def test_keys_of_an_earlier_epoch_are_never_taken(place: Place, epoch: int, takes_it: bool) -> None:
    assert takes(place, epoch) is takes_it
