"""Numbers of which one must leave room for another."""

import re
from collections.abc import Iterator

from checks.situation import Fault, Situation

SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def sample_size(situation: Situation) -> Iterator[Fault]:
    """nginx lets the largest sample through."""
    key = "nginx:sites:phagescan:client_max_body_size"
    largest, limit = situation.get("phagescan:scan:max_size"), situation.get(key)
    size = re.fullmatch(r"(\d+)(\D?)", str(limit))  # the schema's check reports any other
    if situation.master and largest and size and limit not in (0, "0"):
        number, unit = size.groups()
        if int(number) * SIZES.get(unit.lower(), 1) < largest << 20:
            reason = f"must let phagescan:scan:max_size through, {largest} MiB, and is {limit}; make it {largest + 1}m"
            yield Fault(key, reason)


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
