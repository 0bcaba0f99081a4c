"""HTTP/2 (RFC 9113) as far as sending goes, header by header: libraries would put forged headers in order first."""

import socket

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GONE = 0, 1, 3, 4, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4


def ask(line: socket.socket, fields: list[tuple[str, str]], body: bytes = b"") -> None:
    """One request, the four pseudo-headers first, and wait until it is answered. ConnectionError when it is refused."""
    flags = _END_HEADERS | (0 if body else _END_STREAM)
    content = PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, flags, 1, b"".join(map(_literal, fields)))
    line.sendall(content + (_frame(_DATA, _END_STREAM, 1, body) if body else b""))
    while True:
        size, kind, flags = int.from_bytes(_read(line, 3)), *_read(line, 2)
        stream = int.from_bytes(_read(line, 4))
        _read(line, size)
        if kind in {_RESET, _GONE}:
            raise ConnectionError("it was refused")
        if stream == 1 and flags & _END_STREAM and kind in {_DATA, _HEADERS}:
            return


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


def _literal(field: tuple[str, str]) -> bytes:
    """A literal field without indexing (RFC 7541, 6.2.2), neither name nor value compressed."""
    name, value = (text.encode() for text in field)
    assert max(len(name), len(value)) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _read(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = line.recv(count - len(found))
        if not piece:
            raise ConnectionError("it hung up")
        found += piece
    return found
