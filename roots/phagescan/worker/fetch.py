"""Fetches a sample from the master, by the signature that the task carries."""

import contextlib
import errno
import fcntl
import http.client
import os
import shutil
import ssl
import stat
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from celery.utils.log import get_logger

logger = get_logger(__name__)

PLACE = "/fetch/"
CHUNK = 1 << 16
SOCKET_TIMEOUT = 30.0
PATIENCE = 120.0
"""Seconds that the master may be away: long enough for a restart."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last one again and again."""

ENDED = {
    204: "it has its verdict already",
    409: "the master asks each engine by itself",
    403: "the master refuses the signature",
    410: "the master has set the sample aside or has it no longer",
}


kept: dict[str, http.client.HTTPConnection] = {}
"""The connections of this process to masters, by their address."""


class AwayError(Exception):
    """The master does not answer as it should."""


class UnwantedError(Exception):
    """The master wants no verdict, and says so for good."""


@contextlib.contextmanager
def sample(master_url: str, signed: str, delivery: str, ca_certs: str = "") -> Iterator[Path]:
    """Have the sample in a private file. What this host lacks is an OSError."""
    with private_file() as (file, path):
        download(master_url, signed, delivery, file, ca_certs)
        file.flush()
        yield path


@contextlib.contextmanager
def private_file() -> Iterator[tuple[BinaryIO, Path]]:
    """Have a new file that no one else can read, and that is gone afterwards."""
    descriptor, name = tempfile.mkstemp(dir=directory())
    path = Path(name)
    try:
        with open(descriptor, "wb") as file:
            # It lasts as long as this process, and marks the file as in use.
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file, path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Have a new folder that no one else can read, and that is gone afterwards with all that is in it."""
    path = Path(tempfile.mkdtemp(dir=directory()))
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # As that of a file.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def download(master_url: str, signed: str, delivery: str, file: BinaryIO, ca_certs: str = "") -> None:
    """Write the sample to a file; be patient with a master that is away."""
    deadline = time.monotonic() + PATIENCE
    pauses = iter(PAUSES)
    pause = 0.0
    while True:
        try:
            empty(file)
            for chunk in received(master_url, signed, delivery, ca_certs):
                file.write(chunk)
        except AwayError as error:
            pause = next(pauses, pause)
            if time.monotonic() + pause > deadline:
                raise AwayError(f"{master_url}: {error}") from error
            logger.warning("fetching from %s again in %s s: %s", master_url, pause, error)
            time.sleep(pause)
        else:
            return


def empty(file: BinaryIO) -> None:
    """Forget what an earlier attempt has brought."""
    file.seek(0)
    file.truncate()


def received(
    master_url: str, signed: str, delivery: str, ca_certs: str = "", timeout: float = SOCKET_TIMEOUT
) -> Generator[bytes, None, None]:
    """Ask once, and yield the sample. No redirect is followed: what is behind a login page is not the sample.

    The signature is a header: addresses end up in logs. The delivery is the same whenever the same task asks again.
    """
    if not (signed.isascii() and signed.isprintable()):
        raise UnwantedError("the signature is none")
    headers = {"Authorization": f"Signature {signed}", "X-Delivery": delivery}
    try:
        with answered(master_url, headers, ca_certs, timeout) as response:
            if reason := ENDED.get(response.status):
                response.read()
                raise UnwantedError(reason)
            if response.status != http.client.OK or response.length is None:
                raise AwayError(f"status {response.status}")
            while chunk := response.read(CHUNK):
                yield chunk
            if response.length:
                raise AwayError(f"{response.length} bytes are missing")
    except (OSError, http.client.HTTPException) as error:
        raise AwayError(str(error) or type(error).__name__) from error


@contextlib.contextmanager
def answered(
    master_url: str, headers: Mapping[str, str], ca_certs: str, timeout: float
) -> Iterator[http.client.HTTPResponse]:
    """Have the answer of the master. The connection is kept for the next time where the answer was read to its end; one
    that the master has closed meanwhile is replaced.
    """
    place = urlsplit(master_url).path.rstrip("/") + PLACE
    connection = kept.pop(master_url, None)
    response = None
    if connection:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", place, headers=headers)
            response = connection.getresponse()
    if response is None or connection is None:
        connection = connect(master_url, ca_certs, timeout)
        connection.request("GET", place, headers=headers)
        response = connection.getresponse()
    try:
        yield response
    finally:
        if response.isclosed() and connection.sock:
            kept[master_url] = connection
        else:
            connection.close()


def connect(master_url: str, ca_certs: str, timeout: float) -> http.client.HTTPConnection:
    """Prepare a connection. A master with https shows a certificate for its name that ca_certs, or the system, vouches
    for.
    """
    parts = urlsplit(master_url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=ca_certs or None)
    except OSError as error:
        raise AwayError(f"{ca_certs} is of no use: {error}") from error
    return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout, context=context)


def directory() -> Path:
    """Return the directory of the samples: private, and made when it is not there."""
    path = Path(tempfile.gettempdir(), f"phagescan-worker-{os.geteuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"{path} is not this user's directory")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def remove_leftovers() -> None:
    """Remove the samples of workers that were killed: all that no process has in use."""
    for path in directory().iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        os.close(descriptor)
