"""State of a PostgreSQL cluster as Debian's tools make them: there, and made to the end.

The package makes one in its own script, too, but once only: killed in the middle it leaves half a cluster that nothing
completes, and calls itself installed.
"""

import os
import pathlib
import shutil
import subprocess
from typing import Any

# Set by Salt's loader.
__opts__: dict[str, Any]

SETTINGS = pathlib.Path("/etc/postgresql")
DATA = pathlib.Path("/var/lib/postgresql")
LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}  # of the tool; the cluster's is set in createcluster.d


def present(name: str) -> dict[str, Any]:
    """Cluster `name` (`17/main`) is there. One whose making was interrupted holds nothing yet, and is made anew."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"Cluster {name} is there."}
    making = DATA / f"{name.replace('/', '-')}.making"  # there until the cluster is whole
    # The server writes its options down at each start: one that was ever started is never made anew.
    half = making.exists() and not (DATA / name / "postmaster.opts").exists()
    if not half and not __opts__["test"]:
        making.unlink(missing_ok=True)  # a killed run's; what is made here next is not half a cluster
    if (SETTINGS / name / "postgresql.conf").exists() and not half:
        return result
    result["changes"] = {name: "made anew, after an interruption" if half else "made"}
    if __opts__["test"]:
        return result | {"result": None, "comment": f"Cluster {name} would be made."}
    if half:
        for folder in (SETTINGS / name, DATA / name):
            shutil.rmtree(folder, ignore_errors=True)
    elif (DATA / name).is_dir() and any((DATA / name).iterdir()):
        reason = (
            f"{DATA / name} holds data, but {SETTINGS / name} no settings: see pg_createcluster(1), or move it away"
        )
        return result | {"result": False, "changes": {}, "comment": reason}
    making.touch()
    done = subprocess.run(
        ["pg_createcluster", *name.split("/")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, **LOCALE},
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())[-500:]
        return result | {"result": False, "changes": {}, "comment": f"pg_createcluster {name}: {reason}"}
    making.unlink()
    os.sync()
    return result | {"comment": f"Cluster {name} was made."}
