"""Where an installed agent's files are, and the text of its unit. Pure."""

from pathlib import Path
from typing import NamedTuple

SERVICE = "hopmap-agent"
UNIT = f"{SERVICE}.service"


class Layout(NamedTuple):
    """Places below `root`: / on the machine itself, else a tree that is to become one."""

    root: Path = Path("/")

    @property
    def program(self) -> Path:
        """The one file: below /usr/local, as it comes from no package (FHS 3.0, 4.9)."""
        return self.root / "usr/local/lib/hopmap/hopmap-agent.pyz"

    @property
    def config(self) -> Path:
        """The settings, for people to edit."""
        return self.root / "etc/hopmap/agent.yaml"

    @property
    def token(self) -> Path:
        """The token for the services, where there is one; readable for root alone."""
        return self.root / "etc/hopmap/agent-token"

    @property
    def permission(self) -> Path:
        """The record that the provider of this line permits probing."""
        return self.root / "etc/hopmap/line-permits-probing"

    @property
    def unit(self) -> Path:
        """The service."""
        return self.root / "etc/systemd/system" / UNIT

    @property
    def wanted(self) -> Path:
        """What `systemctl enable` makes."""
        return self.root / "etc/systemd/system/multi-user.target.wants" / UNIT

    @property
    def quiet(self) -> Path:
        """What keeps an agent that is about to go from probing; gone with the next boot (systemd.unit(5))."""
        return self.root / "run/systemd/system" / f"{UNIT}.d" / "drain.conf"

    @property
    def state(self) -> Path:
        """The state directory as the agent is told; a link to `private_state` where systemd made it."""
        return self.root / "var/lib" / SERVICE

    @property
    def private_state(self) -> Path:
        """Where systemd keeps the state of a service with a user of its own for each run."""
        return self.root / "var/lib/private" / SERVICE


_UNIT = """\
[Unit]
Description=hopmap agent: asks for targets, pings them, traces the route to those that answer
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={python} -I {program} agent --config {config}
Environment=HOPMAP_AGENT_STATE_DIR=%S/{service} MALLOC_ARENA_MAX=1
{token}WorkingDirectory=%S/{service}
StateDirectory={service}
StateDirectoryMode=0700
Restart=always
RestartSec=5
SuccessExitStatus=75
WatchdogSec=60
TimeoutStopSec=15
MemoryMax=256M
TasksMax=32
LimitNOFILE=1024
LimitCORE=0

# a user of its own for each run, and the one privilege that probing takes
DynamicUser=yes
CapabilityBoundingSet=CAP_NET_RAW
AmbientCapabilities=CAP_NET_RAW
NoNewPrivileges=yes
UMask=0077

DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @obsolete

[Install]
WantedBy=multi-user.target
"""
_CREDENTIAL = """\
LoadCredential=agent-token:{token}
Environment=HOPMAP_AGENT_TOKEN_FILE=%d/agent-token
"""


def unit_text(python: str, *, with_token: bool) -> str:
    """The unit for an interpreter at `python`; every path in it is that of the running machine."""
    here = Layout()
    return _UNIT.format(
        python=python,
        program=here.program,
        config=here.config,
        service=SERVICE,
        token=_CREDENTIAL.format(token=here.token) if with_token else "",
    )
