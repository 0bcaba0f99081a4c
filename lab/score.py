"""How much of the truth traces show, how much of what they show is not so, and at what cost."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain, product
from pathlib import Path
from typing import Any

from hopmap.errors import UserError
from lab.answers import Answers, Link, Node, node
from lab.traces import Traced, read

Score = dict[str, Any]


class Scoring:
    """Collects traces of one tool; every link counts once, however many traces show it."""

    def __init__(self, answers: Answers, agents: Mapping[str, int]) -> None:
        """Against this truth; `agents` says which worker an agent's name stands for."""
        self.answers = answers
        self.agents = agents
        self.pairs: set[tuple[int, str]] = set()
        self.probes = self.traces = self.unknown = 0
        self.nodes: set[Node] = set()
        self.links: set[Link] = set()
        self.false: dict[Link, str] = {}

    def add(self, trace: Traced) -> None:
        """Take one measurement in. A ping costs probes and shows nothing."""
        self.probes += trace.probes
        if not trace.traced:
            return
        self.traces += 1
        worker = self.agents.get(trace.agent) if trace.agent else self.answers.sources.get(trace.source or "")
        if worker is None or (worker, trace.target) not in self.answers.paths:
            self.unknown += 1
            return
        key = worker, trace.target
        self.pairs.add(key)
        at: dict[int, dict[Node, bool]] = {}
        for seen in trace.seen:
            place = node(seen.address, worker)
            at.setdefault(seen.ttl, {})[place] = seen.late
            self.nodes.add(place)
        for ttl, here in at.items():
            there = at.get(ttl + 1, {})
            for one, other in product(here, there):
                if one != other:
                    self._link(key, (one, other), ttl, late=here[one] or there[other])

    def _link(self, key: tuple[int, str], link: Link, ttl: int, *, late: bool) -> None:
        if link in self.answers.links:
            self.links.add(link)
        elif link not in self.false:
            self.false[link] = self.answers.cause(key, link, ttl, late=late)

    def result(self, name: str) -> Score:
        """The figures. Recall is of what answers at all, on the paths of the traced targets, every branch counted."""
        faces: dict[Node, bool] = {}
        visible: set[Link] = set()
        existing: set[Link] = set()
        for key in self.pairs:
            end = node(key[1], key[0])
            for version in self.answers.paths[key]:
                faces |= {place: face.visible for place, face in version.faces.items() if place != end}
                visible |= version.visible()
                existing |= version.links.keys()
        answering = {place for place, shows in faces.items() if shows}
        return {
            "traces": name,
            "targets": len(self.pairs),
            "flows": self.traces,
            "not_in_truth": self.unknown,
            "probes": self.probes,
            "probes_per_target": _ratio(self.probes, len(self.pairs)),
            "probes_per_interface": _ratio(self.probes, len(self.nodes & answering)),
            "interfaces": _recall(self.nodes, answering, faces.keys()),
            "links": _recall(self.links, visible, existing),
            "false_links": len(self.false),
            "false_causes": dict(Counter(self.false.values()).most_common()),
            "invented_interfaces": len(self.nodes - self.answers.nodes),
        }


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _recall(found: set[Any], answering: set[Any], existing: Iterable[Any]) -> dict[str, Any]:
    """Of what answers ("visible") and of all that exists."""
    everything = set(existing)
    return {
        "found": len(found & answering),
        "visible": len(answering),
        "recall": _ratio(len(found & answering), len(answering)),
        "existing": len(everything),
        "recall_of_existing": _ratio(len(found & everything), len(everything)),
    }


def scores(truth: Path, files: list[Path], agents: Mapping[str, int]) -> list[Score]:
    """A score for each file, and one of all together if there are several. UserError for files that can't be read."""
    answers = Answers(truth)
    known = sorted(answers.sources.values())
    for worker in agents.values():
        if worker not in known:
            raise UserError(f"--agents: the truth has no worker {worker}: it has {', '.join(map(str, known))}")
    agents = _told_by_hops(answers, chain.from_iterable(map(read, files))) | dict(agents)
    together = Scoring(answers, agents)
    found = []
    for path in files:
        alone = Scoring(answers, agents)
        for trace in read(path):
            alone.add(trace)
            together.add(trace)
        found.append(alone.result(str(path)))
    return [*found, together.result("all together")] if len(files) > 1 else found


def _told_by_hops(answers: Answers, traces: Iterable[Traced]) -> dict[str, int]:
    """Which worker each agent was: on whose ways most of what its traces saw lies. None where two are alike."""
    votes: dict[str, Counter[int]] = {}
    for trace in traces:
        if trace.agent and trace.traced:
            shared = answers.shared(trace.target, [seen.address for seen in trace.seen])
            votes.setdefault(trace.agent, Counter()).update(shared)
    ranked = {agent: counted.most_common(2) for agent, counted in votes.items()}
    return {agent: best[0][0] for agent, best in ranked.items() if best and (len(best) == 1 or best[0][1] > best[1][1])}


def table(found: list[Score]) -> str:
    """The scores for people."""
    rows = [["traces", "targets", "probes/target", "interfaces", "links", "false links"]]
    rows += [
        [
            score["traces"],
            str(score["targets"]),
            _figure(score["probes_per_target"]),
            f"{_share(score['interfaces'])} of {score['interfaces']['visible']}",
            f"{_share(score['links'])} of {score['links']['visible']}",
            str(score["false_links"]),
        ]
        for score in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for score in found:
        lines += [f"{score['traces']}: {count} false by {cause}" for cause, count in score["false_causes"].items()]
        if score["not_in_truth"]:
            lines.append(f"{score['traces']}: {score['not_in_truth']} traces of pairs that the truth does not know")
    return "\n".join(lines) + "\n"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _share(recall: dict[str, Any]) -> str:
    return "-" if recall["recall"] is None else f"{100 * recall['recall']:.1f} %"
