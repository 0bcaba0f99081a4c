"""`hopmap input`: what to probe next."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from hopmap import __version__, addresses, config, logs
from hopmap.data import cloud
from hopmap.data.packed import DataError
from hopmap.data.special import is_all_special, special_use
from hopmap.errors import UserError, one_line
from hopmap.logs import event
from hopmap.wire.control import OptOut
from hopmap.wire.service_info import ServiceInfo
from services.chassis import listen
from services.chassis.app import Service
from services.input import app, memory, metrics
from services.input.config import InputSettings
from services.input.core import listing
from services.input.core.frontier import NewPrefix
from services.input.core.seeding import choose
from services.input.hot import HotTargets
from services.input.places import PlaceKeeper
from services.input.state import State
from services.input.status import status

_log = logging.getLogger(__name__)
_TEND_SECONDS = 1.0
CAPABILITIES = ("targets", "hops", "feedback", "control", "export", "import", "gzip", "ipv4")

EXAMPLES = """\
  hopmap input
  hopmap input --seeds my-networks.txt --opt-outs opt-outs.txt
  hopmap input --port 0 --unix /run/hopmap/input.sock
  curl http://localhost:8080/?count=5
"""


def run(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    flags = config.parser("input", "Serve targets to workers, and take the hops that they discover.", EXAMPLES)
    config.add_flags(flags, InputSettings)
    given = config.load(InputSettings, "input", flags.parse_args(argv), config.environment())
    logs.start("input", verbose=given.verbose)
    memory.give_back_large()
    where, tokens = given.listen_on(given.port), given.tokens()
    opt_outs = OptOutFile(given.opt_outs)
    prefixes, seeds = starting_points(given)
    state = State(Path(given.state_dir), given.limits(), given.seed_choice, time.time)
    try:
        state.file_opt_outs(opt_outs.read())
        state.bootstrap(prefixes, seeds)
        state.start()
    except OSError as error:
        raise UserError(
            f"cannot write in {given.state_dir}: {one_line(error)}; give another with --state-dir"
        ) from error
    info = ServiceInfo("input", __version__, state.instance, CAPABILITIES)
    service = Service(info, lambda: status(state), state.failure, tokens)
    metrics.register(service.registry, state)
    import_bytes = given.max_import_mb << 20
    lending = app.Lending(
        given.lease_seconds,
        given.per_prefix_per_second,
        given.packets_per_lease,
        given.inputs,
        given.hint_bytes,
    )
    wsgi = app.make(service, state, lending, import_bytes=import_bytes)
    bounds = listen.Bounds(body_bytes=max(import_bytes, app.CONTROL_BYTES))
    hot = HotTargets(service, state, given.lease_seconds)
    listeners = [listen.Listener(wsgi, address, bounds, hot.answer) for address in where]
    tending = Tending(state, opt_outs)
    tending.start()
    return listen.run(service, listeners, tending.close)


def starting_points(given: InputSettings) -> tuple[list[NewPrefix], list[tuple[int, str, str]]]:
    """(prefixes, single addresses) to begin with; UserError for a file that can't be used."""
    prefixes: list[NewPrefix] = []
    seeds: list[tuple[int, str, str]] = []
    for source in given.seeds:
        if source == "cloud" or source.endswith(".bin"):
            known = _cloud_table(source).prefixes
            chosen = choose(known, given.seed_budget, given.seed_choice)
            seeds += [(one.address, one.provider, one.region) for one in chosen]
            holders = {found for one in chosen if (found := known.covering(one.address))}
            prefixes += [NewPrefix(*one, lazy=False) for one in sorted(holders)]
        elif source != "none":
            text = _text(Path(source), "--seeds takes cloud, none, a file of CIDRs or a cloud.bin")
            listed = listing.seeds(text, source)
            _warn_of_special(source, listed)
            prefixes += listed
    return prefixes, seeds


def _warn_of_special(source: str, prefixes: list[NewPrefix]) -> None:
    special = [one for one in prefixes if is_all_special(one.network, one.length)]
    if special:
        first = addresses.prefix_text(special[0].network, special[0].length)
        why = f"{special_use(special[0].network)} space is never served"
        event(_log, logging.WARNING, "seeds_never_served", file=source, prefixes=len(special), first=first, why=why)


def _cloud_table(source: str) -> cloud.Cloud:
    try:
        return cloud.load() if source == "cloud" else cloud.read(Path(source))
    except DataError as error:
        raise UserError(str(error)) from error


class OptOutFile:
    """The operator's opt-out file, read again when it changes."""

    def __init__(self, path: str | None) -> None:
        self._path = Path(path) if path else None
        self._stamp = (0, 0)

    def read(self) -> list[OptOut]:
        """Its entries; UserError names the line that is wrong."""
        if self._path is None:
            return []
        text = _text(self._path, "give an existing file with --opt-outs")
        self._stamp = self._now()
        return listing.opt_outs(text, str(self._path))

    def changed(self) -> bool:
        """Whether the file is another than the one read."""
        return self._path is not None and self._now() != self._stamp

    def _now(self) -> tuple[int, int]:
        with suppress(OSError):
            if self._path:
                found = self._path.stat()
                return found.st_mtime_ns, found.st_size
        return self._stamp


class Tending:
    """The threads that look after the state: snapshots and the opt-out file; consumers' places."""

    def __init__(self, state: State, opt_outs: OptOutFile) -> None:
        self._state = state
        self._opt_outs = opt_outs
        self._stop = Event()
        self._thread = Thread(target=self._tend, name="tending", daemon=True)
        self._places = PlaceKeeper(state.places, state.keep_places)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._places.start()

    def close(self) -> None:
        """End, and close the state."""
        self._stop.set()
        self._thread.join()
        self._places.close()
        self._state.close()

    def _tend(self) -> None:
        while not self._stop.wait(_TEND_SECONDS):
            self._state.tend()
            if self._opt_outs.changed():
                self._read_again()

    def _read_again(self) -> None:
        try:
            self._state.file_opt_outs(self._opt_outs.read())
        except UserError as error:
            event(_log, logging.ERROR, "opt_outs_unchanged", error=one_line(error))


def _text(path: Path, advice: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; {advice}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8 text") from error
