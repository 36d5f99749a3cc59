"""Numbers of which one must leave room for another."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from checks.situation import Fault, Situation

UPLOADS, DATABASE = "/var/lib/nginx", "/var/lib/postgresql"
SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def sample_size(situation: Situation) -> Iterator[Fault]:
    """nginx lets the largest sample through."""
    site = "nginx:sites:phagescan"
    key = f"{site}:uploads:client_max_body_size" if situation.get(f"{site}:uploads") else f"{site}:client_max_body_size"
    largest, limit = situation.get("phagescan:scan:max_size"), situation.get(key)
    size = re.fullmatch(r"(\d+)(\D?)", str(limit))  # the schema's check reports any other
    if situation.master and largest and size and limit not in (0, "0"):
        number, unit = size.groups()
        if int(number) * SIZES.get(unit.lower(), 1) < largest << 20:
            reason = f"must let phagescan:scan:max_size through, {largest} MiB, and is {limit}; make it {largest + 1}m"
            yield Fault(key, reason)


def notes(site: Mapping[str, Any]) -> list[str]:
    """What uploads that are being received may take of the file system that the database is on."""
    uploads = site.get("uploads") or {}
    size = re.fullmatch(r"(\d+)(\D?)", str(uploads.get("client_max_body_size")))
    folder = uploads.get("directory", UPLOADS)
    if not size or not _same_file_system(folder, DATABASE):
        return []
    most = int(size[1]) * SIZES.get(size[2].lower(), 1) * uploads.get("simultaneous", 0) / SIZES["g"]
    return [
        f"uploads: {uploads['simultaneous']} at once may take {most:.1f} GiB of the file system of {folder} and"
        " database: lower nginx:sites:phagescan:uploads:simultaneous, or name another directory there"
    ]


def _same_file_system(one: str, other: str) -> bool:
    try:
        return os.stat(one).st_dev == os.stat(other).st_dev
    except OSError:
        return False


def engine_time(situation: Situation) -> Iterator[Fault]:
    """An engine ends before its scan expires, and before the broker gives the message to another worker."""
    expires, patience = situation.get("phagescan:scan:expires"), situation.get("rabbitmq:consumer_timeout", 3600000)
    for name, engine in situation.get("phagescan:engines", {}).items() if situation.master else ():
        key, seconds = f"phagescan:engines:{name}:timeout", engine.get("timeout", 60)
        if expires and seconds > expires:
            yield Fault(key, f"must not be above phagescan:scan:expires, {expires}, and is {seconds}")
        if seconds * 1000 >= patience:
            yield Fault(key, f"must be below rabbitmq:consumer_timeout, {patience} ms, and is {seconds} s")


PILLAR = CHECKS = (sample_size, engine_time)
