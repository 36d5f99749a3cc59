"""Measure the job with every tool on fresh hosts, and tell: what bench/run runs."""

import argparse
import fnmatch
import json
import os
import platform
import re
import secrets
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import report
from hosts import BENCH, OUTPUT, BenchError, Host, Job, Timed, must
from tools import TOOLS, Tool

from support.results import Result

EXTRAS = {"10": 10, "100": 100, "1000": 1000}
ROWS = {
    "prerequisites": "packages of Debian that the tool needs, s",
    "install": "install the tool, s",
    "megabytes": "the tool on disk, after its first run, MB",
    "debian-megabytes": "those packages of Debian on disk, MB",
    "cold": "cold converge, s",
    "ping": "test.ping, s",
    "noop": "no-op, s",
    "password": "one changed password, s",
    **{
        f"{what}-{n}": f"{text} {count:,} extra users, s"
        for n, count in EXTRAS.items()
        for what, text in (("create", "create"), ("noop", "no-op with"))
    },
    "create-all": "create 1,000 users, 100 vhosts, 50 databases, s",
    "noop-all": "no-op with all of those, s",
}


class Measurement:
    """What was measured so far: seconds (or MB) by tool and row, and what was left out and why."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.values: dict[str, dict[str, list[float]]] = {}
        self.skipped: dict[str, dict[str, float]] = {}
        self.order: list[str] = []
        self.failed: list[str] = []
        self.facts = machine_facts()

    def wants(self, *rows: str) -> bool:
        """Whether one of these rows was asked for."""
        return any(fnmatch.fnmatch(row, pattern) for row in rows for pattern in self.options.rows)

    def add(self, tool: Tool, row: str, value: float) -> None:
        """Note a value, and keep all on disk: an interrupted run is not lost."""
        self.values.setdefault(tool.name, {}).setdefault(row, []).append(round(value, 3))
        say(f"{tool.name}: {row} {value:.2f}")
        self.save()

    def median(self, tool: Tool, row: str) -> float | None:
        """Median so far, or what it was estimated at."""
        values = self.values.get(tool.name, {}).get(row)
        return statistics.median(values) if values else self.skipped.get(tool.name, {}).get(row)

    def save(self) -> None:
        """Write bench/.output/results.json."""
        OUTPUT.mkdir(exist_ok=True)
        titles = {name: tool.title for name, tool in TOOLS.items()}
        reported = {"facts": self.facts, "order": self.order, "titles": titles, "rows": ROWS}
        reported |= {"values": self.values, "skipped": self.skipped, "limit_seconds": self.options.limit}
        (OUTPUT / "results.json").write_text(json.dumps(reported, indent=1) + "\n")

    def repeat(self, tool: Tool, row: str, once: Callable[[], float]) -> None:
        """Run as often as asked, as long as the row does not take too long; once at least."""
        spent = 0.0
        for number in range(self.options.runs):
            if number and spent * (number + 1) / number > self.options.row_seconds:
                break
            seconds = once()
            spent += seconds
            self.add(tool, row, seconds)

    # one host

    def host(self, tool: Tool, further: bool) -> None:
        """Take a fresh host from nothing to converged; and with `further` go on with what a converged host is for."""
        self.order.append(tool.name)
        job = new_job()
        with Host(tool.name, self.options.run) as host:
            debian = host.installed_megabytes()
            tool.tell(host, job)
            for row, seconds in tool.install_on(host, self.options.limit * 2).items():
                if row in ROWS and tool.install is not None:
                    self.add(tool, row, seconds)
            if tool.name != "master":
                self.add(tool, "debian-megabytes", host.installed_megabytes() - debian)
            cold = tool.cold(host, self.options.limit * 2)
            self.keep_output(tool, "cold", cold.result)
            must(tool.changes(cold), f"{tool.name}: the first run changed nothing")
            self.add(tool, "cold", cold.seconds)
            if tool.folder:
                self.add(tool, "megabytes", host.megabytes(tool.folder))
            said = host.check(job)
            say(f"{tool.name}: checked; {said['packages']} packages installed")
            if further:
                self.warm(tool, host, job)

    def warm(self, tool: Tool, host: Host, job: Job) -> None:
        """Rows of a converged host."""
        if (ping := tool.ping) and self.wants("ping"):
            self.repeat(tool, "ping", lambda: timed(host.time(ping, self.options.limit)))
        if self.wants("noop", *(row for row in ROWS if row.startswith(("noop-", "create-")))):
            self.noop(tool, host, job, "noop")
        if self.wants("password"):
            self.repeat(tool, "password", lambda: self.change_password(tool, host, job))
            host.check(job)
        for name, count in EXTRAS.items():
            if self.wants(f"create-{name}", f"noop-{name}"):
                self.extras(tool, host, job, name, partial(new_extras, count))
        if self.wants("create-all", "noop-all"):
            self.extras(tool, host, job, "all", lambda: new_extras(1000, vhosts=100, databases=50))

    def noop(self, tool: Tool, host: Host, job: Job, row: str) -> None:
        """Run where there is nothing to do; it must change nothing, by its own word and by the host's."""
        before = host.check(job)["fingerprint"]

        def once() -> float:
            ran = host.time(tool.converge, self.options.limit * 2)
            changes = self.ended(tool, row, ran) and tool.changes(ran)
            must(not changes, f"{tool.name}: a no-op changed {changes}")
            return ran.seconds

        self.repeat(tool, row, once)
        after = host.check(job)["fingerprint"]
        different = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
        must(not different, f"{tool.name}: a no-op touched {different}")

    def change_password(self, tool: Tool, host: Host, job: Job) -> float:
        """Seconds of a run that has one new password to set."""
        job.users["phageworkeruser"] = secrets.token_hex(16)
        tool.tell(host, job)
        ran = host.time(tool.converge, self.options.limit * 2)
        changes = self.ended(tool, "password", ran) and tool.changes(ran)
        must(changes, f"{tool.name}: a new password changed nothing")
        return ran.seconds

    def extras(self, tool: Tool, host: Host, job: Job, name: str, new: Callable[[], dict[str, object]]) -> None:
        """Create extra things, and run again with them there; what would take too long is left out, with its
        estimate.
        """
        create, noop = f"create-{name}", f"noop-{name}"

        def once() -> float:
            host.forget_extras(job)
            vars(job).update(new())
            tool.tell(host, job)
            ran = host.time(tool.converge, self.options.limit * 2)
            changes = self.ended(tool, create, ran) and tool.changes(ran)
            must(changes, f"{tool.name}: nothing was created")
            return ran.seconds

        looking = self.estimate(tool, noop)
        creating = max(self.estimate(tool, create), looking)  # to create takes a look first
        if creating <= self.options.limit and (self.wants(create) or name == "all"):
            self.repeat(tool, create, once) if self.wants(create) else once()
        elif looking > self.options.limit or name == "all":
            self.skip(tool, create, creating)
            self.skip(tool, noop, looking)
            return
        else:
            # Put there by other means, so that it can be said what they cost from then on.
            if creating > self.options.limit:
                self.skip(tool, create, creating)
            host.forget_extras(job)
            vars(job).update(new())
            host.seed(job)
            tool.tell(host, job)
        if not self.wants(noop):
            return
        if looking > self.options.limit:
            self.skip(tool, noop, looking)
        else:
            self.noop(tool, host, job, noop)

    def estimate(self, tool: Tool, row: str) -> float:
        """Seconds that a row will take, in proportion to the size before; 0 where nothing is known."""
        what, _, name = row.partition("-")
        sizes = [*EXTRAS]
        place = sizes.index(name) if name in sizes else len(sizes)
        before = self.median(tool, f"{what}-{sizes[place - 1]}") if place else None
        base = self.median(tool, "noop")
        if before is None or base is None:
            return 0.0
        factor = EXTRAS[name] / EXTRAS[sizes[place - 1]] if name in EXTRAS else 1.15  # 150 more things than those 1,000
        return base + max(0.0, before - base) * factor

    def skip(self, tool: Tool, row: str, estimate: float) -> None:
        """Note that a row was left out because it would take too long."""
        if self.wants(row):
            self.skipped.setdefault(tool.name, {})[row] = round(estimate, 1)
            say(f"{tool.name}: {row} left out, about {estimate:.0f} s")
            self.save()

    def ended(self, tool: Tool, row: str, ran: Timed) -> bool:
        """True; fails where it was ended for taking too long."""
        self.keep_output(tool, row, ran.result)
        must(ran.result.code not in (124, 137), f"{tool.name}: {row} took longer than {self.options.limit * 2:.0f} s")
        return True

    def keep_output(self, tool: Tool, row: str, result: Result) -> None:
        """What the tool said last in this row."""
        OUTPUT.mkdir(exist_ok=True)
        (OUTPUT / f"{tool.name}-{row}.txt").write_text(str(result))


def timed(ran: Timed) -> float:
    """Its seconds, if it went well."""
    ran.result.ok()
    return ran.seconds


def new_job() -> Job:
    """A job with passwords that no one knows."""
    users = {name: secrets.token_hex(16) for name in ("phagemasteruser", "phageworkeruser")}
    return Job(users, {"citestsuper": secrets.token_hex(16)})


def new_extras(users: int, vhosts: int = 0, databases: int = 0) -> dict[str, object]:
    """Extra things, with new passwords."""
    return {
        "extra_users": {f"extra{number:04}": secrets.token_hex(16) for number in range(users)},
        "extra_vhosts": [f"extra{number:03}" for number in range(vhosts)],
        "extra_databases": [f"extra{number:02}" for number in range(databases)],
    }


def machine_facts() -> dict[str, str]:
    """What the numbers depend on."""
    models = re.findall(r"(?m)^model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) or [platform.machine()]
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / 1024**2
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{os.cpu_count()} x {models[0]}",
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "load": f"{os.getloadavg()[0]:.2f} before the first run",
        "hosts": "Debian 13 containers with systemd, one at a time",
    }


def say(text: str) -> None:
    """A line of progress."""
    print(f"bench: {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """The command line."""

    def listed(text: str) -> list[str]:
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="The same job by this bundle, stock Salt, Ansible and a shell script, on fresh hosts one by one.",
        epilog="rows: " + ", ".join(ROWS),
    )
    parser.add_argument("--only", type=listed, default=list(TOOLS), metavar="TOOL,...", help=", ".join(TOOLS))
    parser.add_argument(
        "--rows", type=listed, default=["*"], metavar="ROW,...", help="patterns, such as noop or 'noop*'"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of what can be repeated on a host (default 5)")
    parser.add_argument("--hosts", type=int, default=3, help="fresh hosts a tool, for what cannot be (default 3)")
    parser.add_argument(
        "--limit", type=float, default=600, metavar="SECONDS", help="leave out what would take longer (600)"
    )
    parser.add_argument(
        "--row-seconds", type=float, default=180, metavar="SECONDS", help="stop repeating a row that passes this (180)"
    )
    parser.add_argument("--record", action="store_true", help="write the ratios to bench/ratios.json")
    parser.add_argument(
        "--from-json", type=Path, metavar="FILE", help="measure nothing, tell what an earlier run left there"
    )
    parser.add_argument("--run", default="bench-by-hand", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.only:
        if name not in TOOLS:
            parser.error(f"there is no tool {name}; tools: {', '.join(TOOLS)}")
    for pattern in options.rows:
        if not fnmatch.filter(ROWS, pattern):
            parser.error(f"there is no row {pattern}; rows: {', '.join(ROWS)}")
    return options


def main() -> int:
    """Measure, and tell."""
    options = parse()
    failed: list[str] = []
    if options.from_json:
        measured = json.loads(options.from_json.read_text())
    else:
        measurement = Measurement(options)
        if os.getloadavg()[0] > 0.5:
            say(f"this machine is busy (load {os.getloadavg()[0]:.1f}): the numbers will be worth little")
        bare = measurement.wants("prerequisites", "install", "megabytes", "debian-megabytes", "cold")
        for number in range(options.hosts if bare else 1):
            # The order turns from round to round, so that no tool always comes first.
            turn = number % len(options.only)
            for name in options.only[turn:] + options.only[:turn]:
                say(f"{name}: host {number + 1}")
                try:
                    measurement.host(TOOLS[name](), further=number == 0)
                except (BenchError, AssertionError) as error:
                    measurement.failed.append(f"{name}: {error}")
                    say(f"FAILED {name}: {error}")
        measurement.save()
        measured = json.loads((OUTPUT / "results.json").read_text())
        failed = measurement.failed
    print(report.table(measured, options.rows))
    report.plot(measured, OUTPUT)
    if options.record:
        report.record(measured, BENCH / "ratios.json")
    for failure in failed:
        print(f"FAILED: {failure}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
