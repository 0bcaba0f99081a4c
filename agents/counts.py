"""What the agent counts since it started. Each field has one thread that writes it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Whole numbers since the start."""

    leased: int = 0
    bad_lines: int = 0
    source_failures: int = 0
    sink_failures: int = 0
    control_failures: int = 0
    probed: int = 0
    answered: int = 0
    traced: int = 0
    reached: int = 0
    passed_over: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("expired", "cooling", "special", "opted_out", "left_alone", "withheld", "unsent"), 0
        )
    )
