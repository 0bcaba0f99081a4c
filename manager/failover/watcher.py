"""A manager among several of one name: looks who leads, answers who asks, and takes over or steps down."""

import logging
import threading
import time
from dataclasses import replace

from hopmap.errors import one_line
from hopmap.logs import event
from manager.dyfi import account as accounts
from manager.dyfi.core.moment import Moment, earlier, elapsed
from manager.dyfi.ledger import Ledger
from manager.dyfi.updater import Updater
from manager.failover import internet, memory, replica
from manager.failover.copies import Copies
from manager.failover.core import watch
from manager.failover.core import word as words
from manager.failover.core.watch import Look, Reign, Rules, Standby
from manager.failover.core.word import Word
from manager.failover.rest import Rest
from manager.failover.succession import Succession
from manager.failover.surroundings import Surroundings
from manager.failover.telling import Listeners
from manager.fleet.control import Tenure
from manager.vault import NotLeading, Vault

TRIES = 4
_NOTICE_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Watcher:
    """Lives as long as the process, over all changes of role. `reign` is there while this manager leads."""

    def __init__(self, rules: Rules, around: Surroundings) -> None:
        self.rules, self.around = rules, around
        self.memory = memory.load(around.state_dir)
        self.ledger = Ledger(around.state_dir, around.now)
        self.copies = Copies(around.state_dir, around.key, around.front.storage, around.side)
        self.standby = Standby()
        self.why = "it has just started"
        self.changed = threading.Event()  # the role is another now
        self.listeners = Listeners(3 * rules.seconds)
        self.ahead = 0.0  # seconds that the leader's clock is ahead of ours
        self._lock = threading.RLock()
        self._name: tuple[str, ...] = ()
        self._before: tuple[str, ...] = ()
        self._since: Moment | None = None
        self._succession: Succession | None = None
        self._followed: int | None = None  # the epoch before a take-over that nobody was told of yet
        self._missed = 0.0  # when its leader had been looked for in vain
        self._ready = True
        self._rest = Rest()
        now = around.now()
        resumed = watch.resumes(self.memory, rules, now)
        self.reign = Reign(self.memory.led, now) if resumed else None

    # The role

    def start(self) -> None:
        """Look from now on, in a thread of its own, until the role changes or `close`."""
        self.changed.clear()
        self._rest.begin()
        self._thread = threading.Thread(target=self._run, name="failover", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; waits for the look that goes on."""
        self._rest.end()
        self._thread.join(self.rules.seconds + 10.0)
        self._succession = None
        self.ledger.hand_back()
        self.copies.forget()

    def lead(self, updater: Updater, vault: Vault, succession: Succession) -> None:
        """What this manager leads with: before `start`."""
        around, reign = self.around, self.reign
        self._succession = succession
        if self._followed is not None and reign is not None:
            succession.took_over(self._followed, reign.epoch, self._missed)
            self._followed = None
        self.ledger.updater = updater
        self.copies.state = lambda: replica.gathered(around.state_dir, vault, around.front.storage)

    def tenure(self) -> Tenure:
        """The epoch that this manager leads in, for the orders."""
        return Tenure(self.memory.led, self.overtaken)

    def check(self) -> None:
        """NotLeading unless this manager saw not long ago that it leads: asked before all that is written."""
        reign = self.reign
        if reign is None or not watch.holds(reign, self.rules, self.around.now()):
            raise NotLeading("this manager does not lead, or can't see that it does: nothing is changed here")

    def overtaken(self, epoch: int) -> None:
        """Orders of a later epoch were found: another leads."""
        self._step_down(f"orders of the later epoch {epoch} were found", epoch)

    # What others ask

    def word(self) -> Word:
        """This manager's word."""
        reign, now = self.reign, self.around.now()
        return Word(
            self.rules.id,
            self.rules.rank,
            reign.epoch if reign else self.memory.epoch,
            reign is not None,
            self._ready,
            now.wall,
            self.ledger.asked(),
            self.copies.version if reign else "",
        )

    def answered(self, question: bytes, address: str) -> bytes:
        """The answer to a question of another manager, whose word counts too. NotGenuine."""
        nonce, word = words.heard(self.around.key, words.ASK, question)
        if word.id != self.rules.id:
            self._heard(word)
            if not word.leads:
                self.listeners.note(address)
        return words.said(self.around.key, words.ANSWER, nonce, self.word())

    def told(self, word: Word) -> None:
        """The leader says that there is something to copy. That is no look: it may be that only we hear it."""
        leader = self.standby.leader
        if leader is not None and leader.id == word.id and word.leads and word.version != self.copies.version:
            self._rest.tell(word)

    # Looks

    def serve_agents(self) -> None:
        """Have the gateway beside a manager that leads lead too, until the next looks at the latest."""
        reign = self.reign
        if reign is not None:
            self.around.side.lead(reign.epoch, self.rules.lapse - elapsed(reign.confirmed, self.around.now()))

    def round(self) -> None:
        """One look, and what follows from it."""
        look = self._look(TRIES)
        if self.reign is None:
            self._stand_by(look)
        else:
            self._lead(look)

    def wait(self, spent: float) -> float:
        """Seconds until the next look, after one that took so long: a leader that hangs must not make looks rarer."""
        usual = max(0.1, self.rules.seconds * (0.75 + self.around.chance() / 2) - spent)
        if self.reign is not None or self.standby.since is None:
            return usual
        return min(usual, max(0.1, self.standby.wait - elapsed(self.standby.since, self.around.now())))

    def _look(self, tries: int) -> Look:
        heard: Word | None = None
        name: tuple[str, ...] = ()
        for _ in range(tries):
            began = time.monotonic()
            name = tuple(self.around.peers.addresses())
            heard = self.around.peers.ask(name[0], self.word()) if name else None
            if heard is not None or self._rest.ended:
                break
            self._rest.pause(max(0.0, self.rules.seconds / 10 - (time.monotonic() - began)))
        look = Look(self.around.now(), heard, name)
        with self._lock:
            if watch.moved(self._name, name, self.ledger.own):
                self.ledger.note(look.at)
            self._name = name or self._name
        if heard is not None and heard.id != self.rules.id:
            self._heard(heard)
        return look

    def _online(self, wanted: int) -> bool:
        return internet.reached(self.around.checks, wanted, self.rules.seconds / 10)

    def _stand_by(self, look: Look) -> None:
        with self._lock:
            before = self.memory
            self.standby, self.memory = watch.stood_by(
                self.standby, self.memory, look, self.rules, self.around.chance()
            )
            if self.memory != before:
                memory.keep(self.around.state_dir, self.memory)
        self.around.front.tell(leads=False)
        leader, at = self.standby.leader, look.name[0] if look.name and look.heard else ""
        if self.standby.since is None:
            self.why = "the leader was heard" if leader else "it looks for a leader"
            if leader is not None and at:
                self.copies.fetch(self.around.peers, at, self.word(), leader)
        self._follow(at)
        if self.standby.since is None:
            return
        own, online = accounts.own_address(self.around.line, self.around.account), self._online(2)
        if own and online:
            look = self._look(2)  # what was looked for in vain may have been so while this manager was cut off
        self._judge(look._replace(own=own, online=online))

    def _follow(self, at: str) -> None:
        """Have the gateway stand by too; what it misses is fetched where the leader was just heard, or not at all."""
        peers = self.around.peers
        self.around.side.follow(self.memory.epoch, lambda sha256: peers.program(at, self.word(), sha256) if at else b"")
        self.around.front.tell(leads=False)  # a certificate that has just come is used at once

    def _judge(self, look: Look) -> None:
        may = self.ledger.may_ask(self.around.account.mark(self.around.key))
        with self._lock:
            why = watch.obstacle(self.standby, self.memory, look, may_ask=may)
            if why:
                self._say(why)
            else:
                self._take_over(look)

    def _take_over(self, look: Look) -> None:
        with self._lock:
            missed = self.standby.since or look.at
            self._followed, self._missed = self.memory.epoch, missed.wall
            reign, remembered = watch.taken_over(self.memory, self.rules, look.at)
            memory.keep(self.around.state_dir, remembered)
            if look.own not in look.name:
                self.ledger.claim()
                self._before = tuple(look.name)
            self.memory, self.reign, self.standby, self._since = remembered, reign, Standby(), look.at
            self._say(f"it leads in epoch {reign.epoch}")
            self.changed.set()

    def _lead(self, look: Look) -> None:
        look = look._replace(own=self.ledger.own, online=self._online(1))
        with self._lock:
            reign = self.reign
            if reign is None:
                return
            good = self.ledger.standing.ok
            self.reign, why = watch.reigned(replace(reign, granted=good), look, self.rules)
            if why:
                self._step_down(why)
                return
            self.memory = replace(self.memory, confirmed=self.reign.confirmed)
            self._remember()
        self.serve_agents()
        self.around.front.tell(leads=True)
        self.copies.look()
        if self._since is not None and elapsed(self._since, look.at) < _NOTICE_SECONDS:
            for address in self._before:  # where the leader before was: should it come back, it must hear of this
                self.around.peers.ask(address, self.word())

    def _remember(self) -> None:
        try:
            memory.keep(self.around.state_dir, self.memory)
            self._ready = True
        except OSError as error:
            self._ready = False
            event(_log, logging.ERROR, "storage_failed", why=one_line(error))

    def _heard(self, word: Word) -> None:
        """Another manager has said something."""
        with self._lock:
            now = self.around.now()
            if word.asked is not None:
                self.ledger.note(earlier(now, word.asked))
            if self.reign is not None:
                if watch.overtaken(self.reign, word):
                    self._step_down(f"{word.id} leads in the later epoch {word.epoch}", word.epoch)
                elif self._succession is not None:
                    self._succession.heard(word, now.wall)
            elif watch.leads(word, self.memory, self.rules):
                self.ahead = word.at - now.wall
                self.standby = Standby(leader=word)
                if word.epoch > self.memory.epoch:
                    self.memory = replace(self.memory, epoch=word.epoch)
                    memory.keep(self.around.state_dir, self.memory)

    def _step_down(self, why: str, epoch: int = 0) -> None:
        with self._lock:
            if self.reign is None:
                return
            self.reign, self.standby = None, Standby()
            self.memory = replace(self.memory, epoch=max(self.memory.epoch, epoch), confirmed=None)
            self._say(f"it steps down: {why}")
            self.changed.set()
            self._remember()

    def _say(self, why: str) -> None:
        if why != self.why:
            event(_log, logging.WARNING, "failover", manager=self.rules.id, epoch=self.memory.epoch, why=why)
            self.why = why

    def _run(self) -> None:
        while not self._rest.ended and not self.changed.is_set():
            began = time.monotonic()
            try:
                self.round()
            except OSError as error:
                event(_log, logging.ERROR, "failover_stuck", why=one_line(error))
            if not self.changed.is_set():
                for news in self._rest.until(time.monotonic() + self.wait(time.monotonic() - began)):
                    self._copy(news)

    def _copy(self, news: Word) -> None:
        """What the leader told of between two looks."""
        if self.reign is not None or not self._name:
            return
        try:
            self.copies.fetch(self.around.peers, self._name[0], self.word(), news)
        except OSError as error:
            event(_log, logging.ERROR, "replica_not_kept", why=one_line(error))
        self._follow(self._name[0])
