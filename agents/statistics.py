"""What an agent tells of itself: /health, /ready, /metrics, /service-info."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agents.health import Vitals
from agents.metrics import exposition
from agents.restraint import QUIET
from hopmap import __version__
from hopmap.wire.service_info import ServiceInfo, encode_service_info

if TYPE_CHECKING:
    from agents.daemon import Agent


_NO_UPDATE = {"state": "off", "version": __version__, "wanted": None, "failures": 0, "why": ""}
_AS_WANTED = ("off", "unwanted", "running", "trial")


def vitals(agent: "Agent") -> Vitals:
    """What the health server asks."""
    settings = agent.settings
    guarded = settings.beyond_loopback and not settings.no_auth
    labels = {"agent": agent.name, "instance": agent.instance, "version": __version__}
    capabilities = ("icmp", "trace") if settings.enable_traceroute else ("icmp",)
    info = ServiceInfo("agent", __version__, agent.instance, capabilities)
    return Vitals(
        health=lambda: {"status": status(agent), "uptime_seconds": agent.uptime, "statistics": statistics(agent)},
        unready=lambda: unready(agent),
        metrics=lambda: exposition(statistics(agent), labels),
        service_info=lambda: encode_service_info(info),
        token=(settings.token() or "") if guarded else "",
    )


def status(agent: "Agent") -> str:
    """What it does now, in a word."""
    return "stopping" if agent.ending else agent.restraint.halted or "ok"


def unready(agent: "Agent") -> str | None:
    """Why it does not do its work now, as a sentence; None when it does."""
    halted = agent.orders.halted
    reasons = (
        (agent.ending, "the agent is stopping"),
        (halted is not None, f"control has {halted} this agent"),
        (
            not agent.restraint.resting and not agent.in_touch(),
            "the input's control document was not heard yet, or not lately",
        ),
        (agent.intake.failing, "no input gives targets"),
        (agent.delivery.failing, "no output takes results; they are kept in the spool"),
    )
    return next((sentence for true, sentence in reasons if true), None)


def statistics(agent: "Agent") -> dict[str, Any]:
    """Everything that is counted, as JSON of /health and source of /metrics."""
    counts, packets = agent.counts, agent.engine.counters
    update = agent.updater.told() if agent.updater is not None else _NO_UPDATE
    return {
        "agent": agent.name,
        "transport": agent.transport,
        "uptime_seconds": agent.uptime,
        "leased": counts.leased,
        "probed": counts.probed,
        "answered": counts.answered,
        "traced": counts.traced,
        "reached": counts.reached,
        "passed_over": dict(counts.passed_over),
        "packets": {
            "sent": packets.sent,
            "received": packets.received,
            "late": packets.late,
            "duplicate": packets.duplicate,
            "stray": packets.stray,
            "timeout": packets.timeouts,
            "refused": packets.refused,
            "send_error": packets.send_errors,
        },
        "bytes": {"sent": packets.sent_bytes, "received": packets.received_bytes},
        "results": {name: count for name, count in asdict(agent.spool.counts).items() if name != "done"},
        "spool_results": agent.spool.waiting,
        "spool_bytes": agent.spool.size,
        "queued": len(agent.intake),
        "in_hand": agent.engine.in_hand,
        "cooling": len(agent.cooldown),
        "left_alone": agent.left_alone.held(agent.steady()),
        "prohibited": agent.left_alone.told,
        "hops_redacted": agent.redaction.redacted,
        "opt_outs": agent.orders.opt_outs,
        "control_version": agent.orders.version,
        "halted": agent.orders.halted is not None,
        "quiet": agent.restraint.halted == QUIET,
        "line_bytes": {
            "probes": packets.sent_bytes + packets.received_bytes,
            "http": agent.data.http_bytes,
        },
        "data_used_bytes": round(agent.data.budget.used),
        "data_budget_bytes": round(agent.data.budget.per_day) if agent.data.limited else 0,
        "rate_limit": round(agent.restraint.rates.packets_per_second, 3),
        "rate_part": agent.restraint.kindness.part,
        "failures": {
            "input": counts.source_failures,
            "output": counts.sink_failures,
            "control": counts.control_failures,
        },
        "bad_lines": counts.bad_lines,
        "update": update,
        "update_wanted": update["state"] not in _AS_WANTED,
        "update_failures": update["failures"],
    }
