"""What was done since the start, counted from several threads."""

import dataclasses
import threading


@dataclasses.dataclass(slots=True)
class Counters:
    """Whole numbers that only rise."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    groups: int = 0
    commit_failures: int = 0
    refused_low_disk: int = 0
    rotations: int = 0
    files_deleted: int = 0
    hops_not_kept: int = 0
    numbers_given_up: int = 0
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, repr=False)

    def add(self, **more: int) -> None:
        """Add to some of them, at once."""
        with self.lock:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)

    def snapshot(self) -> dict[str, int]:
        """All of them at one moment."""
        with self.lock:
            return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "lock"}
