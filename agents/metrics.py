"""Every metric of the agent, declared once, and its Prometheus text (exposition format 0.0.4)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """A metric: `label` names its one label where it has one, and then `statistic` is a mapping."""

    name: str
    kind: str
    help: str
    statistic: str
    label: str = ""


METRICS = (
    Metric("hopmap_agent_uptime_seconds", "gauge", "Time since the start.", "uptime_seconds"),
    Metric("hopmap_agent_targets_leased_total", "counter", "Targets taken from the input.", "leased"),
    Metric("hopmap_agent_targets_probed_total", "counter", "Targets given to the engine.", "probed"),
    Metric("hopmap_agent_targets_answered_total", "counter", "Targets that answered the ping.", "answered"),
    Metric(
        "hopmap_agent_targets_passed_over_total", "counter", "Targets not probed, by reason.", "passed_over", "reason"
    ),
    Metric("hopmap_agent_traces_total", "counter", "Routes traced.", "traced"),
    Metric("hopmap_agent_traces_reached_total", "counter", "Routes traced to the target itself.", "reached"),
    Metric(
        "hopmap_agent_packets_total", "counter", "Packets of the engine, by what became of them.", "packets", "kind"
    ),
    Metric("hopmap_agent_probe_bytes_total", "counter", "IP bytes of probes and answers.", "bytes", "direction"),
    Metric(
        "hopmap_agent_results_total",
        "counter",
        "Results since the spool was made, by what came of them.",
        "results",
        "outcome",
    ),
    Metric("hopmap_agent_spool_results", "gauge", "Results that wait for delivery.", "spool_results"),
    Metric("hopmap_agent_spool_bytes", "gauge", "Size of the spool on disk.", "spool_bytes"),
    Metric("hopmap_agent_targets_queued", "gauge", "Targets taken and not begun.", "queued"),
    Metric("hopmap_agent_targets_in_hand", "gauge", "Targets being measured.", "in_hand"),
    Metric("hopmap_agent_targets_cooling", "gauge", "Targets within their cooldown.", "cooling"),
    Metric(
        "hopmap_agent_prefixes_left_alone", "gauge", "/24s left alone after a prohibition was answered.", "left_alone"
    ),
    Metric("hopmap_agent_prohibited_total", "counter", "Answers that prohibit probing.", "prohibited"),
    Metric("hopmap_agent_hops_redacted_total", "counter", "Hops kept back from results.", "hops_redacted"),
    Metric("hopmap_agent_opt_out_prefixes", "gauge", "Prefixes that are never probed.", "opt_outs"),
    Metric("hopmap_agent_control_version", "gauge", "Version of the control document obeyed.", "control_version"),
    Metric("hopmap_agent_halted", "gauge", "1 while control has stopped or paused this agent.", "halted"),
    Metric("hopmap_agent_quiet", "gauge", "1 during quiet hours.", "quiet"),
    Metric("hopmap_agent_line_bytes_total", "counter", "IP bytes on the line, both ways.", "line_bytes", "use"),
    Metric("hopmap_agent_data_used_bytes", "gauge", "IP bytes on the line since local midnight.", "data_used_bytes"),
    Metric("hopmap_agent_data_budget_bytes", "gauge", "The budget for a day; 0 is none.", "data_budget_bytes"),
    Metric("hopmap_agent_rate_limit_packets", "gauge", "Packets per second that may leave now.", "rate_limit"),
    Metric("hopmap_agent_rate_ratio", "gauge", "Part of its rate that a strained line leaves the agent.", "rate_part"),
    Metric("hopmap_agent_failures_total", "counter", "Exchanges with services that failed.", "failures", "service"),
    Metric("hopmap_agent_update_wanted", "gauge", "1 while another version is wanted than runs.", "update_wanted"),
    Metric(
        "hopmap_agent_update_failures_total", "counter", "Attempts at another version that failed.", "update_failures"
    ),
    Metric("hopmap_agent_bad_lines_total", "counter", "Lines of the input file that are no address.", "bad_lines"),
)


def exposition(statistics: Mapping[str, object], labels: Mapping[str, str]) -> bytes:
    """The text of /metrics out of the agent's statistics; `labels` go to hopmap_agent_info."""
    lines = [*_head("hopmap_agent_info", "gauge", "Which agent and version this is; always 1.")]
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    lines.append(f"hopmap_agent_info{{{pairs}}} 1")
    for metric in METRICS:
        lines += _head(metric.name, metric.kind, metric.help)
        lines += _samples(metric, statistics[metric.statistic])
    return ("\n".join(lines) + "\n").encode()


def _head(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


def _samples(metric: Metric, value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        return [f'{metric.name}{{{metric.label}="{_escaped(str(key))}"}} {number}' for key, number in value.items()]
    return [f"{metric.name} {int(value) if isinstance(value, bool) else value}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
