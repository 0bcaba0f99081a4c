"""What `GET /status` tells."""

from typing import Any

from services.input.state import State

_OUTCOMES = ("alive", "dead", "filtered")


def status(state: State) -> dict[str, Any]:
    """The statistics of an input as a JSON value."""
    with state.lock:
        frontier = state.frontier
        total = frontier.address_count()
        told = sum(frontier.outcomes[one] for one in _OUTCOMES)
        walked = sum(cursor.walked for cursor in frontier.cursors.values())
        now = state.now()
        frontier.growth.turn(frontier.known, now)
        return {
            "prefixes": len(frontier.prefixes),
            "lazy_prefixes": len(frontier.prefixes.lazy),
            "addresses": total,
            "hops": frontier.hops,
            "consumers": len(frontier.cursors),
            "served": frontier.served,
            "expanded": frontier.expanded,
            "opt_outs": len(frontier.guard),
            "generation": frontier.generation,
            "instance_id": state.instance,
            "control_version": frontier.control.version,
            "stopped": frontier.control.stop,
            "cycles": frontier.cycles,
            "exhaustion": {"consumers_waiting": walked, "consumers_walking": len(frontier.cursors) - walked},
            "refused": {"private": 0} | dict(frontier.refused),
            "growth": {
                "hops_this_hour": frontier.growth.total,
                "caps": {
                    "hour": frontier.limits.caps.hour,
                    "prefix": frontier.limits.caps.prefix,
                    "source": frontier.limits.caps.source,
                },
            },
            "outcomes": {one: frontier.outcomes[one] for one in _OUTCOMES},
            "yield": round(frontier.outcomes["alive"] / told, 4) if told else None,
            "rates": {
                "served_per_second": round(frontier.handed_out.per_second(now), 3),
                "hops_per_second": round(frontier.discovered.per_second(now), 3),
            },
            "storage": {
                "failed": state.failure(),
                "log_bytes": state.store.log.size if state.store.log else 0,
                "snapshot_bytes": state.store.snapshot_bytes,
                "torn_bytes_at_start": state.replayed.torn_bytes,
                "damaged_frames_at_start": state.replayed.damaged_frames,
            },
        }
