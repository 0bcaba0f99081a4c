"""Probes by hand, and the rounds of a trace."""

import itertools
from typing import Any

import pytest

from agents.core.reply import ECHO_REPLY, TIME_EXCEEDED
from agents.terminal.echo import Echo, ask_with
from agents.terminal.options import Rounds, Target
from agents.terminal.ping import Host, ping
from agents.terminal.prober import NS, Prober
from agents.terminal.route import Route
from agents.terminal.trace import one_round
from hopmap.addresses import number
from hopmap.errors import UserError

TARGET, NEAR, FAR = number("8.8.8.8"), number("8.1.1.1"), number("8.2.2.2")


def prober(net: Any, contact: str = "") -> Prober:
    return Prober(net, 4711, contact, b"k" * 16, net.clock)


def rounds(net: Any, route: Route, count: int, interval: float = 1.0) -> None:
    probing = prober(net)
    for number_of in range(count):
        one_round(
            route, probing, number_of, interval, clock=net.seconds, show=lambda: None, last=number_of + 1 == count
        )


def test_an_answer_has_its_token_and_time(little_net: Any) -> None:
    net = little_net([NEAR])
    probing = prober(net)
    probing.send(TARGET, 1, 0, (1, 0))
    probing.send(TARGET, 2, 0, (2, 0))
    assert probing.waiting
    found = probing.outcomes(0.5)
    assert [(outcome.token, outcome.rtt_ms, outcome.late) for outcome in found] == [
        ((1, 0), 10.0, False),
        ((2, 0), 20.0, False),
    ]
    assert [outcome.reply.icmp_type for outcome in found if outcome.reply] == [TIME_EXCEEDED, ECHO_REPLY]
    assert not probing.waiting


def test_silence_is_told_once_and_a_late_answer_still_comes(little_net: Any) -> None:
    net = little_net([])
    net.delay = 3 * NS
    probing = prober(net)
    probing.send(TARGET, 1, 0, (1, 0))
    assert probing.outcomes(1.9) == []
    assert [outcome.reply for outcome in probing.outcomes(0.2)] == [None]
    assert not probing.waiting
    (late,) = probing.outcomes(1.0)
    assert late.late
    assert late.rtt_ms == 3010.0


def test_what_is_not_ours_is_passed_over(little_net: Any) -> None:
    net = little_net([])
    probing = prober(net)
    probing.send(TARGET, 1, 0, (1, 0))
    (arrived, good) = net.on_their_way[0]
    forged = [
        good._replace(sequence=77),
        good._replace(destination=FAR),
        good._replace(checksum=good.checksum ^ 1),
        good._replace(identifier=1),
    ]
    net.on_their_way = [(arrived, one) for one in forged] + [(arrived, good), (arrived, good)]
    assert len(probing.outcomes(0.5)) == 1


def test_old_probes_are_forgotten(little_net: Any) -> None:
    net = little_net([None])
    probing = prober(net)
    probing.send(TARGET, 1, 0, (1, 0))
    assert len(probing.outcomes(3.0)) == 1
    assert probing.outcomes(30.0) == []
    assert probing._probes == {}


def test_a_flow_looks_the_same_at_every_hop_and_every_round(little_net: Any) -> None:
    seen: list[bytes] = []

    class Listening(little_net):  # type: ignore[misc]
        def send(self, packets: Any) -> int:
            seen.extend(packets)
            return int(super().send(packets))

    net = Listening([NEAR, FAR])
    rounds(net, Route(TARGET, 30, 2), 4)
    firsts = {packet[20:24] for packet in seen}
    assert len(firsts) == 2  # type, code, checksum: one for each flow
    assert {packet[12:20] for packet in seen} == {b"\0\0\0\0" + TARGET.to_bytes(4, "big")}


def test_rounds_find_the_hops_and_ask_each_once_an_interval(little_net: Any) -> None:
    net = little_net([NEAR, None, FAR])
    route = Route(TARGET, 30, 1)
    rounds(net, route, 5)
    hops = route.hops()
    assert [list(hop.seen) for hop in hops] == [[NEAR], [], [FAR], [TARGET]]
    assert [hop.stats.sent for hop in hops] == [5, 5, 5, 5]
    assert [hop.stats.lost for hop in hops] == [0, 5, 0, 0]
    asked = [when for when, ttl in net.sent if ttl == 1]
    assert all(later - earlier >= 0.99 * NS for earlier, later in itertools.pairwise(asked))
    assert len(net.sent) <= 5 * 4 + 3  # those that flew past the target before it was known


def test_the_last_round_ends_when_all_is_answered(little_net: Any) -> None:
    net = little_net([NEAR])
    before = net.now
    rounds(net, Route(TARGET, 30, 1), 1)
    assert (net.now - before) / NS < 0.6


def test_a_way_without_any_answer_ends_too(little_net: Any) -> None:
    net = little_net([None] * 40)
    route = Route(TARGET, 30, 1)
    rounds(net, route, 1)
    assert [ttl for _, ttl in net.sent] == [1, 2, 3, 4, 5]
    assert not route.reached


class Asked:
    """An Asker with a script; an OSError or KeyboardInterrupt in it is raised."""

    def __init__(self, *script: Echo | BaseException) -> None:
        self.script = list(script)

    def ask(self, address: int, sequence: int, patience: float) -> Echo:
        answer = self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None: ...


def pinged(asker: Asked, count: int | None) -> tuple[Host, list[float]]:
    host, slept = Host(Target("8.8.8.8", TARGET)), []
    ping([host], asker, Rounds(count, 1.0, live=False), clock=lambda: 5.0, sleep=slept.append, show=lambda: None)
    return host, slept


def test_pings_are_counted_and_spaced() -> None:
    host, slept = pinged(Asked(Echo(10.0), Echo(None), Echo(None, "8.1.1.1: unreachable")), 3)
    assert (host.stats.sent, host.stats.lost, host.stats.received) == (3, 2, 1)
    assert host.said == "8.1.1.1: unreachable"
    assert slept == [1.0, 1.0]


def test_ctrl_c_ends_pinging_without_fault() -> None:
    host, _ = pinged(Asked(Echo(10.0), KeyboardInterrupt()), None)
    assert host.stats.sent == 1


def test_what_can_not_be_sent_is_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match="cannot ping: no route"):
        pinged(Asked(OSError("no route")), 1)


def test_a_ping_by_a_prober(little_net: Any) -> None:
    net = little_net([])
    assert ask_with(prober(net), TARGET, 3, 1.0, net.seconds) == Echo(10.0)
    net = little_net([None] * 64)
    assert ask_with(prober(net), TARGET, 3, 1.0, net.seconds) == Echo(None)
    net = little_net([NEAR] * 64)  # in whose stead a router answers
    assert ask_with(prober(net), TARGET, 3, 1.0, net.seconds) == Echo(None, "8.1.1.1: unreachable")
