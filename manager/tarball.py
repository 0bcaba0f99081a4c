"""Files as the bytes of a tar file, in memory both ways: names are compared, and nothing is unpacked by them."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

GZIP = b"\x1f\x8b"
_LARGEST = 1 << 30


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of them, in their order, for their owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unpack(file: BinaryIO, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The wanted members; ValueError for what is no tar.gz, is cut off, or holds anything but plain files there."""
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as tar:
            return {one.name: _member(tar, one) for one in tar if wanted(one.name)}
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(str(error)) from error


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isreg() and member.size <= _LARGEST else None
    if file is None:
        raise ValueError(f"{member.name} is no plain file")
    return file.read()
