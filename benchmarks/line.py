"""A line with TLS on it, out of loopback: what passes it is counted as a wire would carry it."""

import asyncio
import fcntl
import socket
import ssl
import struct
import subprocess
import threading
from array import array
from contextlib import suppress
from pathlib import Path

_SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def prepare_line() -> None:
    """Loopback as a line: up, packets of 1500 bytes as on a wire (ETHTOOL_SGSO, _STSO of linux/ethtool.h)."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", "1500", "up"], check=True)
    with socket.socket() as any_socket:
        for command in (0x24, 0x1F):
            value = array("I", [command, 0])
            request = struct.pack("16sP", b"lo", value.buffer_info()[0])
            fcntl.ioctl(any_socket, 0x8946, request + b"\0" * 16)


def line_bytes() -> tuple[int, int]:
    """(bytes, packets) that have passed loopback, each once."""
    row = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    fields = row.split()
    return int(fields[9]), int(fields[10])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key with a certificate for localhost, and the system's store with that certificate in it."""
    pem = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", "-keyout", pem, "-out", folder / "cert.pem"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    own = (folder / "cert.pem").read_text()
    pem.write_text(pem.read_text() + own)
    store = folder / "store.pem"
    store.write_text((_SYSTEM_CERTIFICATES.read_text() if _SYSTEM_CERTIFICATES.exists() else "") + own)
    return pem, store


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until there are no more."""
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class TlsFront:
    """TLS on ports of loopback, passed on to unix sockets; `met` are the ports of the connections that came."""

    def __init__(self, pem: Path, places: dict[int, Path]) -> None:
        self.met: list[int] = []
        self._places = places
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pem)
        self._loop = asyncio.new_event_loop()
        self._servers = [self._loop.run_until_complete(self._serve(port)) for port in places]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, port: int) -> asyncio.Server:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.met.append(port)
            there, back = await asyncio.open_unix_connection(self._places[port])
            with suppress(asyncio.CancelledError):
                await asyncio.gather(pump(reader, back), pump(there, writer))

        return await asyncio.start_server(meet, "127.0.0.1", port, ssl=self._context)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        open_still = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)

    def close(self) -> None:
        """End every connection."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
