"""Room for uploads: database and broker keep theirs where they share a file system with samples."""

import logging
import os
from collections import Counter

from django.conf import settings

from scaggr.web.errors import NoRoomError

logger = logging.getLogger(__name__)

OTHERS = ("/var/lib/postgresql", "/var/lib/rabbitmq")
"""A broker that is short of disk takes no message, and a database stops."""


def need(size: int, *folders: str) -> None:
    """Raise NoRoomError where so many bytes in each of the folders would not leave what is to stay free."""
    needed: Counter[int] = Counter()
    for folder in folders:
        if not (there := device(folder)):
            continue  # what is to be written there fails by itself
        needed[there] += size
        left = os.statvfs(folder)
        free = left.f_bavail * left.f_frsize - needed[there]
        kept = settings.KEEP_FREE if there in map(device, OTHERS) else 0
        if free < kept:
            logger.error(
                "an upload of %s bytes is refused: the file system of %s would have %s MiB left, and keeps %s"
                " (phagescan:scan:keep_free)",
                *(size, folder, free >> 20, kept >> 20),
            )
            raise NoRoomError


def device(folder: str) -> int:
    """Return the file system that a folder is on; 0 where there is none."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return 0
