"""Archives that libarchive reads: most kinds, and a compressed tar as one archive."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from libarchive import ArchiveError, ffi
from libarchive.read import ArchiveRead, new_archive_read

from worker.unpack.errors import ReadError
from worker.unpack.frames import BROKEN, ENCRYPTED, UNSUPPORTED

BLOCK = 1 << 16

FORMATS = ("7zip", "ar", "cab", "cpio", "iso9660", "lha", "rar", "rar5", "tar", "warc", "xar", "zip")
"""Not mtree, which is a list of files of this host; an RPM is a compressed cpio."""

SECRET = ("passphrase", "encrypt", "password")
NOT_ITS = ("unsupported", "unrecognized")
"""Words of libarchive's errors."""


def version() -> str:
    """Return libarchive's version."""
    number = ffi.version_number()
    return f"libarchive {number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def read(path: Path, passwords: Sequence[str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Read an archive; links, devices and folders have no bytes, and are left out."""
    with new_archive_read(FORMATS[0]) as archive:
        for name in FORMATS[1:]:
            ffi.get_read_format_function(name)(archive)
        for password in passwords:
            ffi.read_add_passphrase(archive, password.encode())
        try:
            ffi.read_open_filename_w(archive, str(path), BLOCK)
            for entry in ArchiveRead(archive):
                if entry.isreg and not entry.linkpath:
                    yield entry.pathname or "", bytes_of(entry.get_blocks())
        except ArchiveError as error:
            raise read_error(error) from error


def bytes_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the bytes of a member."""
    try:
        yield from blocks
    except ArchiveError as error:
        raise read_error(error) from error


def read_error(error: ArchiveError) -> ReadError:
    """Say what libarchive has said."""
    said = str(error.msg or "libarchive finds it broken")
    lower = said.lower()
    for words, reason in ((SECRET, ENCRYPTED), (NOT_ITS, UNSUPPORTED)):
        if any(word in lower for word in words):
            return ReadError(said, reason)
    return ReadError(said, BROKEN)
