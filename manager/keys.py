"""The API keys and enrolment tokens of a gateway, as digests in a SQLite file of which it is the only writer."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hopmap.wire import api_key
from hopmap.wire.decode import WireError
from manager.core import api_keys, place
from manager.core.api_keys import DAY, Fault, Key
from manager.core.place import Place
from manager.key_file import KeyFile, Token

MOST_KEYS = 50_000
MOST_TOKENS = 10_000
_USED_SECONDS = 60.0
_FORGOTTEN_AFTER = 90 * DAY


class Refused(Exception):
    """A key or token that opens nothing here, and why; `told` is for the one who sent it."""

    def __init__(self, fault: Fault, told: str, node: str = "") -> None:
        self.fault = fault
        self.node = node
        super().__init__(told)


class Full(Exception):
    """No room for another key or token."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things live, in seconds: a key, the rest of an old one beside its successor; and how early to renew.

    `scopes` are what a new key opens; none of them: what the node's newest one does, or else everything.
    """

    life: float = 365 * DAY
    overlap: float = 7 * DAY
    renew: float = 30 * DAY
    scopes: tuple[str, ...] = ()


class KeyStore:
    """All keys, in memory for looking up and on disk before they are told. `now` gives seconds since 1970."""

    def __init__(self, directory: Path, now: Callable[[], float], random: api_key.Random) -> None:
        self._now = now
        self._random = random
        self._lock = threading.RLock()
        self._keys: dict[str, Key] = {}
        self._of_node: dict[str, list[str]] = {}
        self._used: dict[str, float] = {}
        self._used_written = now()
        self._file = KeyFile(directory)
        self.changes = 0  # grows with all that is changed on disk
        for key in self._file.keys:
            self._remember(key)

    @property
    def place(self) -> Place:
        """Where this gateway is among those of several managers."""
        return self._file.place

    def ensure(self, node: str, terms: Terms = Terms()) -> str | None:
        """A new key when the node has none that lasts; None when it has."""
        with self._lock:
            if api_keys.lasting(self._current(node), self._now(), terms.renew):
                return None
            return self.rotate(node, terms)

    def rotate(self, node: str, terms: Terms = Terms()) -> str:
        """A new key; the one in use goes on for the overlap. OSError of the disk, Full."""
        with self._lock:
            return self._made(node, terms)

    def revoke(self, node: str, key_id: str | None = None) -> int:
        """End a node's keys, or one of them, at once; how many lived until now."""
        with self._lock:
            now = self._now()
            live = [key for key in self._current(node) if key.lives(now) and key_id in {None, key.id}]
            self._write([replace(key, ended=now) for key in live])
            return len(live)

    def known(self) -> list[Key]:
        """All that are known, by node, the oldest first."""
        with self._lock:
            return sorted(map(self._with_use, self._keys.values()), key=lambda key: (key.node, key.made))

    def opened(self, text: str, scope: str) -> Key:
        """The key of this text, for a call of this scope; Refused when it does not open it."""
        try:
            named = api_key.read_key(text)
        except WireError as error:
            raise Refused(Fault.UNKNOWN, str(error)) from error
        now = self._now()
        key = self._keys.get(named.id)
        fault = api_keys.fault(key, api_keys.digest(text), scope, now)
        if fault is not None or key is None:
            why = fault or Fault.UNKNOWN
            raise Refused(why, _told(why, scope), named.node if why is not Fault.UNKNOWN else "")
        self._used[key.id] = now
        if now - self._used_written >= _USED_SECONDS:
            self.write_use()
        return key

    def write_use(self) -> None:
        """Keep when keys were used: one write for all, however many calls there were. A full disk loses no more."""
        with self._lock:
            self._used_written = self._now()
            used = [self._with_use(key) for key in map(self._keys.get, list(self._used)) if key is not None]
            try:
                self._write(used)
            except OSError:
                return
            for key in used:
                if self._used.get(key.id) == key.used:
                    del self._used[key.id]

    def new_token(self, node: str | None, life: float) -> str:
        """An enrolment token for one node, or for any one. OSError of the disk, Full."""
        with self._lock:
            text, now = api_key.new_token(self._random), self._now()
            token = Token(api_key.read_token(text), api_keys.digest(text), node, now + life)
            if not self._file.add(token, now, MOST_TOKENS):
                raise Full(f"{MOST_TOKENS} enrolment tokens wait to be used: no more are made")
            self.changes += 1
            return text

    def tokens(self) -> list[Token]:
        """The enrolment tokens that wait to be used, those that end first before the others."""
        with self._lock:
            return self._file.tokens(self._now())

    def drop_token(self, token_id: str) -> bool:
        """A token opens nothing any more; whether there was one. OSError of the disk."""
        with self._lock:
            self.changes += 1
            return self._file.drop(token_id)

    def move(self, wanted: Place) -> bool:
        """The manager here leads now, or stands by; False when a later epoch is known. OSError of the disk."""
        with self._lock:
            if not place.may_become(self.place, wanted):
                return False
            if wanted != self.place:
                self._file.move(wanted)
                self.changes += 1
            return True

    def copied(self) -> tuple[tuple[Key, ...], tuple[Token, ...]]:
        """All keys and tokens at one moment, each by age."""
        with self._lock:
            keys = sorted(map(self._with_use, self._keys.values()), key=lambda key: (key.made, key.id))
            return tuple(keys), tuple(self._file.tokens(self._now()))

    def take(self, epoch: int, keys: Sequence[Key], tokens: Sequence[Token]) -> list[Key] | None:
        """Keep the keys and tokens of who leads in that epoch, and no others; None when those here are later ones.

        The live keys that nobody told the leader of, and that are gone now. OSError of the disk.
        """
        with self._lock:
            if not place.takes(self.place, epoch):
                return None
            mine, told, now = self._keys, {one.id for one in keys}, self._now()
            lost = [key for key in mine.values() if key.lives(now) and key.id not in told]
            fresh = [replace(one, used=max(one.used, mine[one.id].used)) if one.id in mine else one for one in keys]
            self._file.replace(fresh, tokens, Place(epoch, leads=False))
            self.changes += 1
            self._keys, self._of_node = {}, {}
            for key in fresh:
                self._remember(key)
            return lost

    def enrol(self, token: str, node: str, terms: Terms = Terms()) -> str:
        """A new node's key for a token, which is spent with it; Refused, and ValueError for a node that has a key."""
        try:
            token_id = api_key.read_token(token)
        except WireError as error:
            raise Refused(Fault.UNKNOWN, str(error)) from error
        with self._lock:
            found = self._file.token(token_id)
            if found is None or found.digest != api_keys.digest(token) or found.expires <= self._now():
                told = "this enrolment token is unknown, spent or expired: ask for another (hopmap manager enrol-token)"
                raise Refused(Fault.UNKNOWN, told)
            if found.node not in {None, node}:
                raise Refused(
                    Fault.SCOPE, "this enrolment token is for another node: enrol under that name, or ask for another"
                )
            if any(key.lives(self._now()) for key in self._current(node)):
                told = f"revoke its key first (hopmap manager key revoke {node}), or choose another name"
                raise ValueError(f"{node} is enrolled already: {told}")
            return self._made(node, terms, spent=token_id)

    def close(self) -> None:
        """Keep what is in memory alone."""
        with self._lock:
            self.write_use()
            self._file.close()

    def _made(self, node: str, terms: Terms, spent: str = "") -> str:
        now = self._now()
        self._forget_old(now)
        if len(self._keys) >= MOST_KEYS:
            raise Full(f"{MOST_KEYS} keys are known: revoke those of nodes that are gone")
        text, before = api_key.new_key(node, self._random), self._current(node)
        scopes = terms.scopes or api_keys.newest_scopes(before)
        key = Key(api_key.read_key(text).id, node, api_keys.digest(text), scopes, now, now + terms.life)
        if key.id in self._keys:
            raise Full("a key id came twice: ask again")
        self._write([*api_keys.making_room(before, now, terms.overlap), key], spent)
        return text

    def _current(self, node: str) -> list[Key]:
        return [self._with_use(self._keys[one]) for one in self._of_node.get(node, ())]

    def _with_use(self, key: Key) -> Key:
        return replace(key, used=self._used.get(key.id, key.used))

    def _remember(self, key: Key) -> None:
        if key.id not in self._keys:
            self._of_node.setdefault(key.node, []).append(key.id)
        self._keys[key.id] = key

    def _forget_old(self, now: float) -> None:
        gone = [key for key in self._keys.values() if (key.ended or key.expires) < now - _FORGOTTEN_AFTER]
        if not gone:
            return
        self._file.forget(key.id for key in gone)
        for key in gone:
            del self._keys[key.id]
            self._of_node[key.node].remove(key.id)

    def _write(self, keys: Iterable[Key], spent: str = "") -> None:
        written = list(keys)
        self._file.write(written, spent)
        self.changes += 1
        for key in written:
            self._remember(key)


def _told(fault: Fault, scope: str) -> str:
    return {
        Fault.UNKNOWN: "this API key is not known here",
        Fault.REVOKED: "this API key was revoked: ask for another",
        Fault.EXPIRED: "this API key has expired: ask for another",
        Fault.SCOPE: f"this API key does not open {scope}",
    }[fault]
