"""State of a PostgreSQL cluster as Debian's tools make them: there, and made to the end.

The package makes one in its own script, too, but once only: killed in the middle it leaves half a cluster that nothing
completes, and calls itself installed.
"""

import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]

SETTINGS = pathlib.Path("/etc/postgresql")
DATA = pathlib.Path("/var/lib/postgresql")
LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}  # of the tool; the cluster's is set in createcluster.d


def present(name: str, port: int = 5432) -> dict[str, Any]:
    """Cluster `name` (`17/main`) is there. One whose making was interrupted holds nothing yet, and is made again.

    One that this state has made, or that is empty and stopped, listens on `port`; any other keeps its own.
    """
    making = DATA / f"{name.replace('/', '-')}.making"  # there until the cluster is whole
    # The server writes its options down at each start: one that was ever started is never made again.
    half = making.exists() and not (DATA / name / "postmaster.opts").exists()
    if not half and not __opts__["test"]:
        making.unlink(missing_ok=True)  # a killed run's; what is made here next is not half a cluster
    if (SETTINGS / name / "postgresql.conf").exists() and not half:
        return _moved(name, port)
    changes = {name: "made again, after an interruption" if half else "made"}
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Cluster {name} would be made.")
    if half:
        for folder in (SETTINGS / name, DATA / name):
            shutil.rmtree(folder, ignore_errors=True)
    elif (DATA / name).is_dir() and any((DATA / name).iterdir()):
        reason = (
            f"{DATA / name} holds data, but {SETTINGS / name} no settings: see pg_createcluster(1), or move it away"
        )
        return __utils__["results.failed"](name, reason)
    making.touch()
    try:
        command = ("pg_createcluster", f"--port={port}", *name.split("/"))
        __utils__["programs.call"](*command, cwd="/", env={**os.environ, **LOCALE})
        __utils__["postgresql_cluster.mark"](name, port)
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    making.unlink()
    os.sync()
    return __utils__["results.changed"](name, changes, f"Cluster {name} was made.")


def _moved(name: str, port: int) -> dict[str, Any]:
    """A cluster that is there, on its port."""
    there = __utils__["postgresql_cluster.found"]()[name]
    if there["port"] == port or not there["movable"]:
        return __utils__["results.clean"](name, f"Cluster {name} is there, on port {there['port']}.")
    changes = {f"port of {name}": {"old": there["port"], "new": port}}
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Cluster {name} would listen on {port}.")
    try:
        __utils__["postgresql_cluster.move"](name, port)
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    return __utils__["results.changed"](name, changes, f"Cluster {name} listens on {port}.")
