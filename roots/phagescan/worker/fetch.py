"""Fetches a sample from the master, by the signed path that the task carries."""

import contextlib
import http.client
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from celery.utils.log import get_logger

logger = get_logger(__name__)

PREFIX = "phagescan-sample-"
CHUNK = 1 << 16
SOCKET_TIMEOUT = 30.0
PATIENCE = 120.0
"""Seconds that the master may be away: long enough for a restart."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last one again and again."""

ENDED = {
    204: "it has its verdict already",
    403: "the master refuses the signature",
    410: "the master has set the sample aside or has it no longer",
}


class AwayError(Exception):
    """The master does not answer as it should."""


class UnwantedError(Exception):
    """The master wants no verdict, and says so for good."""


@contextlib.contextmanager
def sample(master_url: str, path: str) -> Iterator[Path]:
    """Have the sample in a file that nobody else can read, and that is gone afterwards."""
    with tempfile.NamedTemporaryFile(prefix=PREFIX) as file:
        download(master_url, path, file)
        file.flush()
        yield Path(file.name)


def download(master_url: str, path: str, file: BinaryIO) -> None:
    """Write the sample to a file; be patient with a master that is away."""
    deadline = time.monotonic() + PATIENCE
    pauses = iter(PAUSES)
    pause = 0.0
    while True:
        try:
            return attempt(master_url, path, file)
        except (AwayError, OSError, http.client.HTTPException) as error:
            pause = next(pauses, pause)
            if time.monotonic() + pause > deadline:
                raise AwayError(f"{master_url}: {error or type(error).__name__}") from error
            logger.warning("fetching from %s again in %s s: %s", master_url, pause, error or type(error).__name__)
            time.sleep(pause)


def attempt(master_url: str, path: str, file: BinaryIO) -> None:
    """Ask once. No redirect is followed: what is behind a login page is not the sample."""
    parts = urlsplit(master_url)
    kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}[parts.scheme]
    with contextlib.closing(kind(parts.hostname or "", parts.port, timeout=SOCKET_TIMEOUT)) as connection:
        connection.request("GET", parts.path.rstrip("/") + path)
        response = connection.getresponse()
        if reason := ENDED.get(response.status):
            raise UnwantedError(reason)
        if response.status != http.client.OK or response.length is None:
            raise AwayError(f"status {response.status}")
        length = response.length
        file.seek(0)
        file.truncate()
        while chunk := response.read(CHUNK):
            file.write(chunk)
        if file.tell() != length:
            raise AwayError(f"{file.tell()} of {length} bytes")


def remove_leftovers(age: float = 3600.0) -> None:
    """Remove the samples of workers that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > age:
                path.unlink()
