"""The settings of `hopmap input`."""

from dataclasses import dataclass

from hopmap.config import setting
from services.chassis.settings import ListenSettings
from services.input.core.frontier import Limits
from services.input.core.growth import Caps


@dataclass(frozen=True)
class InputSettings(ListenSettings):
    """Keys of the input service, beside those of every service."""

    port: int = setting(8080, "TCP port to listen on; 0 for none", low=0, high=65_535)
    state_dir: str = setting("./input_state", "directory of the state: log, snapshots, instance id")
    seeds: tuple[str, ...] = setting(
        ("cloud",),
        "what to begin with: cloud (the packaged prefixes), none, a file of CIDRs or a cloud.bin; may be repeated",
    )
    seed_budget: int = setting(19_000, "how many targets to choose from the cloud prefixes", low=0, high=1_000_000)
    seed_choice: int = setting(1, "number that the choice and every order are drawn from", low=0, high=2**53 - 1)
    opt_outs: str | None = setting(
        None, "file of prefixes never to serve: CIDR, reason, date; read again when it changes"
    )
    lease_seconds: int = setting(300, "how long a target may be probed after it was handed out", low=1, high=86_400)
    cycle_seconds: int = setting(
        600, "a consumer's next cycle begins no sooner than this after the one before", low=0, high=31_536_000
    )
    idle_seconds: int = setting(
        30, "a consumer with nothing due is told to ask again after this, or when its cycle is over", low=1, high=3_600
    )
    interleave: int = setting(1, "targets of the cycle between two that were learnt since it began", low=1, high=1_000)
    block_size: int = setting(64, "targets handed out at most again to a consumer after a crash", low=1, high=100_000)
    max_consumers: int = setting(
        20_000, "consumers whose place is kept; the one longest away makes room", low=1, high=1_000_000
    )
    max_hops: int = setting(4_000_000, "single addresses kept in all", low=1, high=50_000_000)
    hops_per_hour: int = setting(50_000, "new hops taken in any hour", low=0, high=50_000_000)
    hops_per_prefix: int = setting(100, "new hops taken in any hour from one /24", low=0, high=256)
    hops_per_source: int = setting(10_000, "new hops taken in any hour from one agent", low=0, high=50_000_000)
    inputs: int = setting(1, "inputs of this fleet: each takes this part of all caps", low=1, high=1_000)
    per_prefix_per_second: float = setting(
        0.1, "packets per second of the whole fleet to one /24, over 10 minutes; 0 lifts it", low=0, high=100_000
    )
    packets_per_lease: int = setting(10, "packets that a lease allows to its target's /24", low=1, high=1_000)
    hint_bytes: int = setting(
        64, "bytes of a target's hint on interfaces that others passed, 4 each; 0: none", low=0, high=96
    )
    max_import_mb: int = setting(64, "largest body of POST /import, as sent", low=1, high=4_096)

    def limits(self) -> Limits:
        """What the core needs of this."""
        return Limits(
            caps=Caps(self.hops_per_hour, self.hops_per_prefix, self.hops_per_source).share(self.inputs),
            hops=self.max_hops,
            consumers=self.max_consumers,
            cycle_seconds=self.cycle_seconds,
            idle_seconds=self.idle_seconds,
            interleave=self.interleave,
            block=self.block_size,
        )
