"""What the service says of itself: in short for /health, in detail for /stats, as samples for /metrics."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.output.counters import Counters
from services.output.forward import Forwarder
from services.output.store import queries
from services.output.store.results import listing
from services.output.writer import Writer


class Statistics:
    """Reads counters, files and state; asked from any thread."""

    def __init__(
        self, folder: Path, state_path: Path, writer: Writer, counters: Counters, forwarders: Sequence[Forwarder]
    ) -> None:
        self._folder = folder
        self._state_path = state_path
        self._writer = writer
        self._counters = counters
        self._forwarders = forwarders

    def brief(self) -> dict[str, Any]:
        """Results stored ever, and what was done since the start."""
        return {"results": self._writer.last} | self._counters.snapshot()

    def detailed(self) -> dict[str, Any]:
        """The same with routers, agents, files, inputs, readers and the disk."""
        files = listing(self._folder)
        return (
            self.brief()
            | queries.totals(self._state_path)
            | {
                "files": [{"name": file.path.name, "first": file.base, "bytes": file.bytes} for file in files],
                "inputs": self.inputs(),
                "readers": [
                    {"name": reader.name, "behind": self._writer.last - reader.seq, "heard": reader.heard}
                    for reader in queries.readers(self._state_path)
                ],
                "disk_free_bytes": shutil.disk_usage(self._folder).free,
            }
        )

    def inputs(self) -> list[dict[str, Any]]:
        """For each input what it has not been told yet, and how telling it goes."""
        pending = queries.pending(self._state_path)
        return [
            {
                "url": one.url,
                "pending_hops": pending.get(one.url, {}).get("hops", 0),
                "pending_feedback": pending.get(one.url, {}).get("feedback", 0),
                "posts": one.telling.posts,
                "failures": one.telling.failures,
                "skipped": one.telling.skipped,
                "error": one.telling.error,
            }
            for one in self._forwarders
        ]
