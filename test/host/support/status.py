"""Asking `phagescan.status` how a host is."""

import json
from typing import Any

from support.machine import CHECKOUT, Machine
from support.results import Result

SQL = "su postgres -c 'psql -qAt phage'"
LOCK = 9_005_100  # scaggr/nodes/beat.py
# Another session has the lock without which beat sends nothing; it is let go; beat has sent nothing for a while.
TAKE_LOCK = f"""echo "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = {LOCK};
    select pg_advisory_lock({LOCK}); select pg_sleep(600)" | {SQL} >/dev/null 2>&1 &"""
GIVE_LOCK = f"""echo "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)'
    and pid <> pg_backend_pid()" | {SQL}"""
AGE_BEAT = (
    f"""echo "update django_celery_beat_periodictask set last_run_at = last_run_at - interval '5 minutes'" | {SQL}"""
)
NODES = {
    "celeryd-master": "master.master",
    "celeryd-result": "master.results",
    "celeryd-periodic": "master.periodic",
    "celeryd": "scan",
}
PARTS = [
    *("broker", "broker-worker", "database", "web", "static", *NODES.values()),
    *("camera", "beat", "clocks", "queues", "engines", "samples", "fetch", "disk"),
]


def ask(machine: Machine, options: str = "") -> Result:
    """Run it, as an operator does."""
    return machine.run(f"cd {CHECKOUT} && salt-call --local phagescan.status {options}")


def status(machine: Machine) -> tuple[int, dict[str, Any]]:
    """Its exit code and what it says of each part; the scan worker's node goes by the name `scan`."""
    result = ask(machine, "--out=json")
    assert not [name for name, secret in machine.secrets.items() if secret in str(result)]
    parts = json.loads(result.stdout)["local"]
    return result.code, {name.partition("@")[0]: part for name, part in parts.items()}


def well(machine: Machine) -> bool:
    """Whether it finds nothing broken."""
    code, parts = status(machine)
    print({name: part for name, part in parts.items() if part["ok"] is False})  # for who waited in vain
    return code == 0
