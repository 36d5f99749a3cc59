"""What one master can feed: a master that does not scan, and scan workers on hosts of their own, one more in each row.

Each row is a run of bench/scan on the master. All hosts share the processors of this machine: `samples/min` is what
they do together, and `the master's` is the processor time of the master's side of a sample, without engines and scan
workers. A master with as many processors and workers enough takes no more than the last column says.
"""

import argparse
import json
import os
import sys
from contextlib import ExitStack
from typing import Any

from measure import say

from support.converged import share_packages
from support.logins import query
from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.waiting import wait_until

ENGINES = 2  # of each worker: yara and fileinfo


def host(hosts: ExitStack, kind: str, run: str, name: str) -> Machine:
    """A bare Debian 13 host that is removed at the end."""
    machine = Machine(kind, run, f"bench-{name}")
    machine.start()
    hosts.callback(machine.end)
    machine.run(f"hostname {name}").ok()  # nodes are named by it
    share_packages(machine)
    return machine


def converge(machine: Machine, phagescan: dict[str, Any], **more: Any) -> None:
    """Make it what local pillar says."""
    machine.put_tree(local=json.dumps({"phagescan": {"tls": False, **phagescan}, **more}))
    machine.bootstrap().ok()


def new_master(hosts: ExitStack, run: str) -> Machine:
    """A master whose broker and web server other hosts reach."""
    machine = host(hosts, "debian13", run, "master")
    url = {"master_url": f"http://{machine.address}"}
    converge(machine, {"roles": ["master"], "worker": url}, rabbitmq={"listen": "0.0.0.0"})  # noqa: S104
    return machine


def add_worker(hosts: ExitStack, run: str, master: Machine, number: int) -> None:
    """One more scan worker, whose engines the master knows at the end."""
    machine = host(hosts, "worker", run, f"worker{number}")
    login = {"users": {"phageworkeruser": {"password": master.secrets["worker"]}}}
    machine.put({CREDENTIALS: f"#!yaml\n{json.dumps({'rabbitmq': login})}\n".encode()}, mode=0o600)
    where = {"broker": {"host": master.address}, "worker": {"master_url": f"http://{master.address}"}}
    converge(machine, {"roles": ["worker"], **where})
    wait_until(
        lambda: query(master, "select count(*) from scaggr_engine where live") == str(ENGINES * number),
        f"the engines of {number} workers are live",
    )


def row(workers: int, found: dict[str, Any]) -> str:
    """What was measured with so many workers."""
    most = 60_000 / found["master"] * (os.cpu_count() or 1)
    return f"{workers:7}{found['samples a minute']:15,.0f}{found['master']:14.1f} ms{most:17,.0f}"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="bench/scan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, required=True, metavar="N", help="up to so many scan workers")
    parser.add_argument("--samples", type=int, default=5_000, help="how many in each row (default 5000)")
    parser.add_argument("--uploaders", type=int, default=4, help="connections that hand them in (default 4)")
    parser.add_argument("--run", default="bench-by-hand", help=argparse.SUPPRESS)
    options = parser.parse_args()
    command = f"{CHECKOUT}/bench/scan --json --samples {options.samples} --uploaders {options.uploaders}"
    rows = []
    with ExitStack() as hosts:
        say("the master")
        master = new_master(hosts, options.run)
        for number in range(1, options.workers + 1):
            say(f"worker {number}")
            add_worker(hosts, options.run, master, number)
            say(f"{options.samples} samples")
            rows.append(row(number, json.loads(master.run(command).ok().stdout)))
    print(f"all hosts share {os.cpu_count()} processors\n")
    print("workers    samples/min     the master's   the master alone", *rows, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
