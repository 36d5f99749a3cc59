"""Names and addresses that Phagescan's parts use to reach each other. `phagescan` are the settings of that
namespace.
"""

import pathlib
import re
import socket
from typing import Any
from urllib.parse import urlsplit

RESOLVERS = pathlib.Path("/etc/resolv.conf")


def allowed_hosts(phagescan: dict[str, Any]) -> list[str]:
    """Names that Django answers for: `allowed_hosts`, and the one by which workers fetch samples."""
    fetched = urlsplit(phagescan["worker"]["master_url"]).hostname or ""
    return list(dict.fromkeys([*phagescan["allowed_hosts"], f"[{fetched}]" if ":" in fetched else fetched]))


def peers(phagescan: dict[str, Any], role: str) -> list[str]:
    """Addresses that services of a role talk to: broker, master or database; name servers where one has a name."""
    if role == "master":
        hosts = {phagescan["broker"]["host"], phagescan["database"]["host"], "127.0.0.1"}  # where nginx comes from
    else:
        hosts = {phagescan["broker"]["host"], urlsplit(phagescan["worker"]["master_url"]).hostname}
    addresses: set[str] = set()
    named = False
    for host in hosts:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        named = named or found != {host}
        addresses |= found
    if named and RESOLVERS.exists():
        addresses |= set(re.findall(r"^nameserver\s+(\S+)", RESOLVERS.read_text(), re.MULTILINE))
    return sorted(addresses)
