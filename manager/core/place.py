"""Where a gateway is among those of several managers, and what it may be told to become. Pure.

The epoch is that of the managers: keys of an earlier one never replace those of a later one, so that a leader that was
overtaken brings nothing back that was revoked since.
"""

from typing import NamedTuple


class Place(NamedTuple):
    """The highest epoch heard of, and whether the manager here leads in it; epoch 0 is of a manager that is alone."""

    epoch: int = 0
    leads: bool = True


ALONE = Place()


def may_become(place: Place, wanted: Place) -> bool:
    """Whether the word of the manager here can be true: epochs never go back, but for one that is alone from now on."""
    return wanted == ALONE or wanted.epoch >= place.epoch


def takes(place: Place, epoch: int) -> bool:
    """Whether the keys of the leader of an epoch are taken in the place of those that are here."""
    return epoch > place.epoch or (epoch == place.epoch and not place.leads)
