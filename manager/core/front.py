"""The Caddyfile of the TLS front: what a settings file says, as text. Written for Caddy 2.6 (Debian 12 and 13)."""

import re
from dataclasses import dataclass

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STORAGE = "/var/lib/caddy"  # the home of the user that Debian's package makes
PAGES_BYTES, GATEWAY_BYTES = 1 << 20, 4_000_000  # the largest bodies that manager and gateway take
_PATH = re.compile(r"(/[A-Za-z0-9._@+-]+)+")
_DIRECTORY = re.compile(r"https://[A-Za-z0-9.:/_\[\]-]+")


@dataclass(frozen=True, slots=True)
class Front:
    """What Caddy is told: names, absolute paths, bytes. ValueError names what can't stand in a Caddyfile."""

    domain: str
    pages_socket: str
    gateway_socket: str | None = None
    email: str | None = None
    storage: str = STORAGE
    acme_directory: str = LETS_ENCRYPT
    acme_root: str | None = None

    def __post_init__(self) -> None:
        """Braces, quotes and spaces mean something there, and no path here needs them."""
        paths = {
            "unix": self.pages_socket,
            "gateway_unix": self.gateway_socket,
            "caddy_storage": self.storage,
            "acme_root": self.acme_root,
        }
        for key, path in paths.items():
            if path is not None and not _PATH.fullmatch(path):
                raise ValueError(f"{key}: {path[:80]!r} must be an absolute path of letters, digits and ._@+-")
        if self.email and set(self.email) & set("{}#`"):
            raise ValueError(f"email: {self.email[:80]!r} has a sign that means something to Caddy: one of {{}}#`")
        if not _DIRECTORY.fullmatch(self.acme_directory):
            raise ValueError(f"acme_directory: {self.acme_directory[:80]!r} must be an https URL")


def caddyfile(front: Front) -> str:
    """The whole file, commented."""
    email = f"\temail {front.email}\n" if front.email else ""
    root = f"\tacme_ca_root {front.acme_root}\n" if front.acme_root else ""
    gateway = ""
    if front.gateway_socket:
        gateway = _GATEWAY.format(way=_way("/gateway/*", front.gateway_socket, GATEWAY_BYTES))
    return _FILE.format(
        domain=front.domain.lower(),
        email=email,
        directory=front.acme_directory,
        root=root,
        storage=front.storage,
        gateway=gateway,
        pages=_way("", front.pages_socket, PAGES_BYTES),
    )


def standby_caddyfile(front: Front, certificate: tuple[str, str] | None) -> str:
    """The same for a manager that stands by: a certificate (path, path of its key) that is there is used, none got."""
    settings, begin, site = caddyfile(front).partition(f"\n{front.domain.lower()} {{\n")
    if certificate is None:
        return settings
    return f"{settings}{begin}\ttls {certificate[0]} {certificate[1]}\n{site}"


def _way(path: str, socket: str, largest: int) -> str:
    return _WAY.format(path=f"{path} " if path else "", socket=socket, largest=largest)


_FILE = """\
# The TLS front of hopmap, for Caddy 2.6; `hopmap manager caddyfile` writes it from the manager's settings.
{{
{email}	# One authority and no second in silence. Its answers, keys and certificates are in the storage: keep that over
	# restarts, for Let's Encrypt gives a name five certificates a week.
	acme_ca {directory}
{root}	storage file_system {storage}

	# `caddy reload` comes by this socket: whoever may write to it may change the front, so that is no port.
	admin unix/{storage}/admin.sock

	servers {{
		protocols h1 h2
		max_header_size 16KB
		timeouts {{
			# Slow callers wait here and take nothing from what is behind. A batch of results may come by 2G.
			read_header 10s
			read_body 60s
			idle 90s
		}}
	}}
}}

{domain} {{
	header -Server
{gateway}
	# The pages. Caddy has no trusted proxies here, so that it writes X-Forwarded-For, -Proto and -Host itself.
{pages}}}
"""
_GATEWAY = """
	# Agents, each with its key: the gateway is a process of its own.
{way}"""
_WAY = """\
	handle {path}{{
		# Said here: what is behind would hang up in the middle of such a body, which looks like a fault of its own.
		@large expression {{header.Content-Length}} != "" && int({{header.Content-Length}}) > {largest}
		respond @large 413
		request_body {{
			max_size {largest}
		}}
		reverse_proxy unix/{socket} {{
			# Whole requests go in and whole answers come out, so that a slow caller holds no thread behind.
			buffer_requests
			buffer_responses
			max_buffer_size {largest}
			header_up -X-Real-IP
			header_up -Forwarded
			transport http {{
				keepalive 15s
				max_conns_per_host 64
			}}
		}}
	}}
"""
