"""The counters as rows for people and scripts."""

from typing import Any

from lab.world.counters import OTHERS, Tally, apart
from lab.world.truth import dotted
from lab.world.world import World

TOP = 20
_MOST_WORKERS = 1000
Row = dict[str, Any]


def statistics(world: World, top: int = TOP) -> Row:
    """What went where, the `top` highest peaks of each kind first.

    `peak` is the most packets in any window of `windows_s` seconds. Routers count where a TTL ended, or when they
    are spoken to; /24s (blocks) count what arrives there, `addressed` what is sent to an address in them, however
    soon its TTL ends. `..._each` have a row for every worker.
    """
    counters = world.counters
    near_each = counters.near_each if counters.several else counters.near
    blocks_each = counters.blocks_each if counters.several else counters.blocks
    return {
        "workers": [{"worker": key} | figures for key, figures in _top(counters.workers, _MOST_WORKERS)],
        "routers": [_router(world, key) | figures for key, figures in _top(counters.routers, top)],
        "near_routers": [_router(world, key) | figures for key, figures in _top(counters.near, top)],
        "near_routers_each": [
            _router(world, key) | {"worker": worker} | figures
            for key, worker, figures in _each(near_each, top, several=counters.several)
        ],
        "blocks": [_block(key) | figures for key, figures in _top(counters.blocks, top)],
        "blocks_each": [
            _block(key) | {"worker": worker} | figures
            for key, worker, figures in _each(blocks_each, top, several=counters.several)
        ],
        "addressed": [_block(key) | figures for key, figures in _top(counters.addressed, top)],
        "windows_s": {
            "workers": counters.workers.span,
            "routers": counters.routers.span,
            "blocks": counters.blocks.span,
        },
        "pairs": len(world.probed),
        "rate_limited": world.replies.limits.refused,
        "dropped": dict(world.dropped),
    }


def _top(tally: Tally, count: int) -> list[tuple[int, Row]]:
    return [
        (key, {"packets": total, "peak": peak, "peak_per_s": peak / tally.span})
        for key, total, peak in tally.top(count)
    ]


def _each(tally: Tally, count: int, *, several: bool) -> list[tuple[int, int, Row]]:
    """Key, worker and figures."""
    return [(*(apart(key) if several else (key, 0)), figures) for key, figures in _top(tally, count)]


def _block(key: int) -> Row:
    return {"block": "others" if key == OTHERS else f"{dotted(key << 8)}/24"}


def _router(world: World, key: int) -> Row:
    return {"router": world.routers.name_of(key)}
