"""Proxies in front of the master, where TLS may end."""

import contextlib
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator

from checks.situation import Fault, Situation

RECENT = 1 << 18  # bytes at the end of the log
REFUSED = re.compile(r"came by a proxy which phagescan:proxies does not name, at ([0-9A-Fa-f:.]+): ")


def known(situation: Situation) -> Iterator[Fault]:
    """Proxies in front are some addresses, and not all there are: whoever is one says where a client comes from."""
    for each in situation.get("phagescan:proxies", []) if situation.master else ():
        try:
            everyone = ipaddress.ip_network(each, strict=False).prefixlen == 0
        except ValueError as error:
            yield Fault("phagescan:proxies", f"{error}; name addresses or networks")
            continue
        if everyone:
            yield Fault("phagescan:proxies", f"{each} is everyone, who could then take any address; name the proxies")


def notes(proxies: Iterable[str], log: str) -> Iterator[str]:
    """Addresses by which a form came lately, and was refused, with what a proxy in front sends and no one else. The
    application says so in its log.
    """
    networks = [ipaddress.ip_network(each, strict=False) for each in proxies]
    for address in dict.fromkeys(REFUSED.findall(_end(log))):
        with contextlib.suppress(ValueError):
            proxy = ipaddress.ip_address(address)
            if not any(proxy in network for network in networks):
                said = f"logins by a proxy at {address} were refused"
                yield f"phagescan:proxies: {said}; if it is yours, add it to this key, in pillar/local.sls"


def _end(path: str) -> str:
    """The last lines of a log; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - RECENT))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


PILLAR = CHECKS = (known,)
