"""Names and addresses that Phagescan's parts use to reach each other. `phagescan` are the settings of that
namespace.
"""

import ipaddress
import pathlib
import re
import socket
from typing import Any
from urllib.parse import urlsplit

# Addresses that mean all of them, as a service listens, and where one comes to it from here.
FROM_HERE = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104
RESOLVERS = pathlib.Path("/etc/resolv.conf")


def allowed_hosts(phagescan: dict[str, Any]) -> list[str]:
    """Names that Django answers for: `allowed_hosts`, that of `public_url`, and the one by which workers fetch
    samples.
    """
    urls = (phagescan.get("public_url", ""), phagescan["worker"]["master_url"])
    names = [name for url in urls if (name := urlsplit(url).hostname)]
    return list(dict.fromkeys(map(literal, [*phagescan["allowed_hosts"], *names])))


def literal(name: str) -> str:
    """A name as browsers write it into a URL and ask for it: an address of IPv6 in brackets, and in its short form."""
    try:
        return f"[{ipaddress.IPv6Address(name.strip('[]'))}]"
    except ValueError:
        return name


def peers(phagescan: dict[str, Any], role: str) -> list[str]:
    """Addresses that services of a role talk to: broker, or broker and master; name servers where one has a name."""
    if role == "master":
        hosts = {phagescan["broker"]["host"], "127.0.0.1"}  # whence one comes to gunicorn
    else:
        hosts = {phagescan["broker"]["host"], urlsplit(phagescan["worker"]["master_url"]).hostname}
    addresses: set[str] = set()
    named = False
    for host in hosts:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        named = named or found != {host}
        addresses |= found
    if named and RESOLVERS.exists():
        addresses |= set(re.findall(r"^nameserver\s+([^\s%]+)", RESOLVERS.read_text(errors="replace"), re.MULTILINE))
    return sorted(addresses)
