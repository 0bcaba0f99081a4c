"""`hopmap output`: where the output service is composed."""

import gc
import os
import random
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hopmap import __version__, config, logs
from hopmap.client import Client
from hopmap.errors import UserError
from hopmap.identity import instance_id
from hopmap.wire.service_info import ServiceInfo
from services.chassis import listen
from services.chassis.app import Service
from services.output.app import queries_app, results_app
from services.output.config import OutputSettings
from services.output.counters import Counters
from services.output.forward import Forwarder, endpoint
from services.output.metrics import OutputMetrics
from services.output.opening import STATE, lock, open_store
from services.output.parsing import Parsing
from services.output.reading import Reading
from services.output.rotation import Tidier
from services.output.statistics import Statistics
from services.output.writer import Limits, Writer

EXAMPLES = """\
  hopmap output
  hopmap output --input-url http://input-1:8080/hops --input-url http://input-2:8080/hops
  hopmap output --unix /run/hopmap/output.sock --input-url unix:///run/hopmap/input.sock
"""
CAPABILITIES = ("results", "cursors", "dump", "rotate")


def run(argv: list[str]) -> int:
    """Serve until SIGTERM. Exit code 0."""
    flags = config.parser("output", "Take results, keep them, and tell the inputs what to probe next.", EXAMPLES)
    config.add_flags(flags, OutputSettings)
    settings = config.load(OutputSettings, "output", flags.parse_args(argv), config.environment())
    logs.start("output", verbose=settings.verbose)
    sys.setswitchinterval(0.001)  # the writer must not wait long behind threads that parse
    gc.set_threshold(50_000, 20, 20)  # a batch is many small objects, none of them in a cycle
    return serve(settings)


def serve(settings: OutputSettings) -> int:
    """Compose the service and run it."""
    folder, reserve = Path(settings.db_dir), int(settings.reserve_mb * 1e6)
    results_at, queries_at, tokens = settings.listen_on(settings.port), settings.query_addresses(), settings.tokens()
    clients = _clients(settings)
    held = lock(folder)
    counters = Counters()
    tidier = Tidier(folder, settings.keep_files, counters)
    forwarders: list[Forwarder] = []
    try:
        writer = _writer(settings, counters, tidier, forwarders)
    except sqlite3.OperationalError as error:
        raise UserError(
            f"cannot write in {folder} ({error}): free space there, or mend the disk, and start again"
        ) from error
    draw = random.SystemRandom().random
    forwarders += [Forwarder(one.endpoint.url, one, folder / STATE, write=writer.call, draw=draw) for one in clients]
    statistics = Statistics(folder, folder / STATE, writer, counters, forwarders)
    service = Service(
        info=ServiceInfo("output", __version__, instance_id(folder, "output"), CAPABILITIES),
        statistics=statistics.brief,
        unready=lambda: "the disk's reserve is reached" if writer.low_disk() else None,
        tokens=tokens,
    )
    OutputMetrics(statistics, service.registry)
    bounds = listen.Bounds(body_bytes=int(2e6 * settings.max_body_mb))  # what is a little too large is told so by us
    parsing = Parsing(beside=len(os.sched_getaffinity(0)) > 1)
    take = results_app(service, settings, parsing, writer, counters)
    ask = queries_app(service, writer, Reading(folder, writer, reserve), statistics)
    listeners = [listen.Listener(take, address, bounds) for address in results_at]
    listeners += [listen.Listener(ask, address, bounds) for address in queries_at]
    writer.start()
    tidier.start(writer)
    for forwarder in forwarders:
        forwarder.start()

    def close() -> None:
        for forwarder in forwarders:
            forwarder.stop()
        for forwarder in forwarders:
            forwarder.join()
        tidier.stop()
        parsing.close()
        writer.stop()
        held.close()

    return listen.run(service, listeners, close)


def _clients(settings: OutputSettings) -> list[Client]:
    """One for each input; UserError when the token would go there in the clear."""
    token = settings.input_token()
    try:
        return [Client(endpoint(url), token, settings.private_networks) for url in settings.input_url]
    except ValueError as error:
        raise UserError(f"input_url: {error}") from error


def _writer(settings: OutputSettings, counters: Counters, tidier: Tidier, forwarders: Sequence[Forwarder]) -> Writer:
    """The writer over what is on disk; it wakes the forwarders and hands full files to the tidier."""
    folder = Path(settings.db_dir)
    file, state = open_store(
        folder, counters, most_hops=settings.max_hops, most_feedback=settings.max_feedback, now=time.time()
    )
    state.keep_inputs(settings.input_url)

    def wake() -> None:
        for forwarder in forwarders:
            forwarder.wake()

    return Writer(
        folder,
        file,
        state,
        Limits(
            rotate_bytes=int(settings.max_size_mb * 1e6),
            rotate_seconds=settings.rotation_days * 86_400,
            reserve_bytes=int(settings.reserve_mb * 1e6),
        ),
        counters=counters,
        clock=time.time,
        on_news=wake,
        on_retired=tidier.retire,
        on_grown=lambda path: tidier.fold(path, folder / STATE),
    )
