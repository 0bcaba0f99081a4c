"""Managers, a name, its resolvers and dy.fi as one simulation: the real decisions, with time and chance handed in."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from manager.dyfi.core import schedule
from manager.dyfi.core.answer import Answer
from manager.dyfi.core.moment import Moment, earlier
from manager.dyfi.core.schedule import Standing
from manager.failover.core import watch
from manager.failover.core.watch import Look, Memory, Reign, Rules, Standby
from manager.failover.core.word import Word

TRIES = 4  # of one look: each packet is sent again when none comes back


@dataclass
class Manager:
    rules: Rules
    address: str
    alive: bool = True
    awake: bool = True
    step: float = 0.0
    cached: tuple[float, str] = (-1e9, "")
    memory: Memory = field(default_factory=Memory)
    standby: Standby = field(default_factory=Standby)
    reign: Reign | None = None
    standing: Standing = field(default_factory=Standing)
    before: str = ""
    seen: tuple[str, ...] = ()
    starts: int = 0


@dataclass
class World:
    """`reaches(ONE, OTHER)` says whether packets get through; "net" is the internet, "dyfi" dy.fi."""

    seed: int
    count: int = 2
    ttl: float = 0.0
    loss: float = 0.0
    reaches: Callable[[str, str], bool] = lambda _one, _other: True
    time: float = 0.0
    name: str = ""
    updates: list[tuple[float, str]] = field(default_factory=list)
    changes: list[tuple[float, str, int]] = field(default_factory=list)
    fenced: int = 0  # the highest epoch that an input has heard of
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.managers = [Manager(Rules(f"m{rank}", rank), f"192.0.2.{rank + 1}") for rank in range(self.count)]
        self.events: list[tuple[float, int, int, int]] = []
        self.order = 0
        for number in range(self.count):
            self.soon(number, self.chance.uniform(0, 20))

    def soon(self, number: int, wait: float) -> None:
        self.order += 1
        heapq.heappush(self.events, (self.time + wait, self.order, number, self.managers[number].starts))

    def run(self, seconds: float) -> None:
        until = self.time + seconds
        while self.events and self.events[0][0] <= until:
            self.time, _, number, start = heapq.heappop(self.events)
            one = self.managers[number]
            if one.alive and one.starts == start:
                if one.awake:
                    self.act(one)
                self.soon(number, self.next_look(one))
        self.time = until

    def next_look(self, one: Manager) -> float:
        usual = one.rules.seconds * self.chance.uniform(0.75, 1.25)
        if one.standby.since is None:
            return usual
        return min(usual, max(1.0, one.standby.wait - (self.moment(one).ticks - one.standby.since.ticks)))

    def moment(self, one: Manager) -> Moment:
        return Moment(1.8e9 + self.time + one.step, f"boot-{one.rules.id}", self.time)

    def passes(self, one: str, other: str) -> bool:
        return self.reaches(one, other) and self.reaches(other, one) and self.chance.random() >= self.loss

    def looked_up(self, one: Manager) -> str:
        if not one.cached[1] or self.time - one.cached[0] >= self.ttl:
            one.cached = (self.time, self.name) if self.tried(one, "net") else (self.time, "")
        return one.cached[1]

    def ask(self, one: Manager, address: str) -> Word | None:
        """A question with up to four tries; who is asked hears the asker's word too."""
        for other in self.managers:
            if other.address == address and other.alive and other.awake and self.got_through(one, other):
                if other is not one:
                    self.hear(other, self.word(one))
                return self.word(other)
        return None

    def got_through(self, one: Manager, other: Manager) -> bool:
        return other is one or self.tried(one, other.rules.id)

    def tried(self, one: Manager, other: str) -> bool:
        return any(self.passes(one.rules.id, other) for _ in range(TRIES))

    def word(self, one: Manager) -> Word:
        epoch = one.reign.epoch if one.reign else one.memory.epoch
        asked = schedule.elapsed(one.standing.asked, self.moment(one)) if one.standing.asked else None
        leads = one.reign is not None
        return Word(one.rules.id, one.rules.rank, epoch, leads, True, self.moment(one).wall, asked)

    def hear(self, one: Manager, word: Word) -> None:
        now = self.moment(one)
        if word.asked is not None:
            one.standing = schedule.noted(one.standing, earlier(now, word.asked), now)
        if one.reign is not None:
            if watch.overtaken(one.reign, word):
                self.step_down(one, word.epoch)
        elif watch.leads(word, one.memory, one.rules):
            one.standby = Standby(leader=word)
            one.memory = replace(one.memory, epoch=max(one.memory.epoch, word.epoch))

    def step_down(self, one: Manager, epoch: int = 0) -> None:
        one.reign, one.standby = None, Standby()
        one.memory = replace(one.memory, epoch=max(one.memory.epoch, epoch))

    def act(self, one: Manager) -> None:
        self.write(one)
        name, me = self.looked_up(one), one.rules.id
        heard = self.ask(one, name) if name else None
        if heard is not None and heard.id != me:
            self.hear(one, heard)
        now, told = self.moment(one), (name,) if name else ()
        if watch.moved(one.seen, told, one.address):
            one.standing = schedule.noted(one.standing, now, now)
        one.seen = told or one.seen
        look = Look(self.moment(one), heard, told, one.address, self.tried(one, "net"))
        if one.reign is None:
            self.stand_by(one, look)
        else:
            one.reign, why = watch.reigned(one.reign, look, one.rules)
            if why:
                self.step_down(one)
                return
            one.memory = replace(one.memory, confirmed=one.reign.confirmed)
            if one.before:
                self.ask(one, one.before)
        if one.reign is not None:
            self.update(one)

    def stand_by(self, one: Manager, look: Look) -> None:
        one.standby, one.memory = watch.stood_by(one.standby, one.memory, look, one.rules, self.chance.random())
        may = schedule.may_ask(one.standing, look.at)
        if watch.obstacle(one.standby, one.memory, look, may_ask=may):
            return
        if one.address not in look.name:
            one.standing, one.before = schedule.claimed(one.standing), "".join(look.name)
        one.reign, one.memory = watch.taken_over(one.memory, one.rules, look.at)
        one.standby = Standby()
        self.changes.append((self.time, one.rules.id, one.reign.epoch))
        self.write(one)

    def update(self, one: Manager) -> None:
        now = self.moment(one)
        if not schedule.due(one.standing, now, one.address, "a"):
            return
        one.standing = schedule.begun(one.standing, now, "a")
        word = "silent"
        if self.tried(one, "dyfi"):
            word = "nochg" if self.name == one.address else "good"
            self.name = one.address
            self.updates.append((self.time, one.rules.id))
        one.standing = schedule.after(one.standing, Answer(word, one.address), now, one.address, self.chance.random())
        if word != "silent" and one.reign is not None:
            one.reign = replace(one.reign, granted=now)

    def write(self, one: Manager) -> None:
        """What a leader does to an input: refused there when another has overtaken it, and it hears of that."""
        if one.reign is None or not watch.holds(one.reign, one.rules, self.moment(one)):
            return
        if not self.passes(one.rules.id, "net"):
            return
        if one.reign.epoch < self.fenced:
            self.step_down(one, self.fenced)
            return
        self.fenced = one.reign.epoch

    # What happens to managers

    def kill(self, number: int) -> None:
        self.managers[number].alive = False

    def start(self, number: int) -> None:
        one = self.managers[number]
        one.alive, one.awake, one.starts = True, True, one.starts + 1
        one.standby, one.reign = Standby(), None
        if watch.resumes(one.memory, one.rules, self.moment(one)):
            one.reign = Reign(one.memory.led, self.moment(one))
        self.soon(number, 1.0)

    # What is looked at

    def writers(self) -> list[str]:
        """Who would write now."""
        return [
            one.rules.id
            for one in self.managers
            if one.alive and one.awake and one.reign and watch.holds(one.reign, one.rules, self.moment(one))
        ]

    def gaps(self) -> list[float]:
        return [later[0] - sooner[0] for sooner, later in zip(self.updates, self.updates[1:], strict=False)]
