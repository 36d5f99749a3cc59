"""The PostgreSQL clusters that are on this host."""

import os
from collections.abc import Iterator

from checks import listening
from checks.situation import EVERYWHERE, LOOPBACK, Fault, Situation

DEFAULT_PORT = 5432  # PostgreSQL's own
SOCKETS = "/run/postgresql"
KEY = "postgresql:port"


def clusters(situation: Situation) -> Iterator[Fault]:
    """Cluster main is, or will be, on the port that pillar says, and no other cluster is."""
    if not situation.master:
        return
    there, wanted = dict(situation.clusters()), situation.get(KEY, DEFAULT_PORT)
    name = f"{situation.get('postgresql:version')}/main"
    main = there.pop(name, None)
    other = next((each for each, cluster in there.items() if cluster["port"] == wanted), None)
    if other and not (main and main["port"] == wanted and main["runs"]):
        yield _taken(wanted, other, {*(cluster["port"] for cluster in there.values()), *_strangers()})
    elif main and main["port"] != wanted and not main["movable"]:
        keep = f"set this key to it in pillar/local.sls, or move it to {wanted}"
        if not main["runs"] and main["port"] in _strangers():
            keep = "which another program has; move it"
        command = f"pg_conftool {name.replace('/', ' ')} set port {wanted}; service postgresql restart"
        yield Fault(KEY, f"cluster {name} has port {main['port']}; {keep}: {command}", ("postgresql:version",))


def sockets(situation: Situation) -> Iterator[Fault]:
    """Clients on this host find the cluster's socket."""
    name = f"{situation.get('postgresql:version')}/main"
    main = situation.clusters().get(name) if situation.master else None
    if main and SOCKETS not in map(os.path.realpath, main["sockets"]):
        reason = f"cluster {name} has its sockets in {', '.join(main['sockets']) or 'no directory'}; add {SOCKETS} to"
        yield Fault("postgresql", f"{reason} unix_socket_directories in {main['file']}, and restart it")


def _taken(port: int, other: str, ports: set[int]) -> Fault:
    free = next(number for number in range(DEFAULT_PORT, 65536) if number not in ports)
    version, main, _ = other.partition("/main")
    reason = f"port {port} is that of cluster {other}; choose another, such as {free}, in pillar/local.sls"
    reason += f", or set postgresql:version to '{version}' to stay with {other}" if main else ""
    return Fault(KEY, reason, ("postgresql:version",))


def _strangers() -> set[int]:
    """Ports on which others than PostgreSQL listen where that would."""
    places = {*EVERYWHERE, *LOOPBACK}
    return {port for address, port, user in listening.by_user() if address in places and user != "postgres"}


CHECKS = (clusters, sockets)
