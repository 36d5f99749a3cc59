"""The PostgreSQL clusters that are on this host."""

import pathlib
import re
from collections.abc import Iterator

from checks.situation import Fault, Situation

CLUSTERS = pathlib.Path("/etc/postgresql")
DEFAULT_PORT = 5432  # PostgreSQL's own, where its configuration has none


def clusters(situation: Situation) -> Iterator[Fault]:
    """Cluster main is, or will be, on the port that pillar says."""
    if not situation.master:
        return
    ports, wanted = {}, situation.get("postgresql:port", DEFAULT_PORT)
    for path in sorted(CLUSTERS.glob("*/*/postgresql.conf")):
        match = re.search(r"^\s*port\s*=?\s*(\d+)", path.read_text(), re.MULTILINE)
        ports["/".join(path.parts[-3:-1])] = int(match[1]) if match else DEFAULT_PORT
    ours = f"{situation.get('postgresql:version')}/main"
    free = next(number for number in range(DEFAULT_PORT, 65536) if number not in ports.values())
    if wanted == (port := ports.get(ours, free)):
        return
    others = {number: cluster for cluster, number in ports.items() if cluster != ours}
    version, main, _ = others.get(wanted, "").partition("/main")
    listed = ", ".join(f"{cluster} on {number}" for number, cluster in others.items())
    reason = f"cluster {ours} has port {port}; set this key to it in pillar/local.sls"
    reason += f", or postgresql:version to {version} to stay with {version}/main" if main else ""
    reason += f" (others here: {listed})" if listed else ""
    yield Fault("postgresql:port", reason, ("postgresql:version",))


CHECKS = (clusters,)
