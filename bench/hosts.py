"""Fresh hosts to measure on, and commands timed by the host's own clock."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.machine import CHECKOUT, PLAIN, Machine
from support.results import Result

BENCH = Path(__file__).parent
OUTPUT = BENCH / ".output"
ON_HOST = f"{CHECKOUT}/bench"
EXPECTED = "/root/bench-expected.json"  # not in /run: what is put there from outside, the host does not see
SEED = "/var/lib/rabbitmq/bench-seed.json"
HASHING = "rabbit_password_hashing_sha256"


class BenchError(Exception):
    """A measurement that cannot go on, and why."""


def must(condition: object, why: str) -> None:
    """Fail where something does not hold that a number would be worthless without."""
    if not condition:
        raise BenchError(why)


@dataclass
class Job:
    """What a host is to have: the passwords, and what comes on top of the two users, the vhost and the database."""

    users: dict[str, str]
    roles: dict[str, str]
    extra_users: dict[str, str] = field(default_factory=dict)
    extra_vhosts: list[str] = field(default_factory=list)
    extra_databases: list[str] = field(default_factory=list)

    def expected(self) -> dict[str, object]:
        """As bench/check reads it."""
        return {
            "users": self.users | self.extra_users,
            "roles": self.roles,
            "vhosts": ["phage", *self.extra_vhosts],
            "databases": dict.fromkeys(["phage", *self.extra_databases], "citestsuper"),
        }


@dataclass
class Timed:
    """A command that ended, and when each of its lines came, in seconds since its start."""

    seconds: float
    result: Result
    lines: list[tuple[float, str]] = field(default_factory=list)


class Host(Machine):
    """A Debian 13 host with systemd and fresh package lists, which fetches everything itself."""

    shares = False

    def __init__(self, name: str, run: str) -> None:
        super().__init__("debian13", run, f"bench-{name}")
        self.name = f"bench-{name}"

    def __enter__(self) -> "Host":
        """Start it, with the checkout and what every tool is spared: fetching the package lists the first time."""
        self.start()
        try:
            self.put_tree(local=PLAIN)
            self.run("apt-get -qq update").ok()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.end()

    def put_private(self, files: dict[str, str]) -> None:
        """Write files that only root may read."""
        self.put({path: text.encode() for path, text in files.items()}, mode=0o600)

    def time(self, command: str, limit: float, **environment: str) -> Timed:
        """Run a command and take its time on the host; after `limit` seconds it is ended."""
        script = (
            "begin=$(date +%s.%N)\n"
            f'timeout -k 10 {limit:.0f} /bin/sh -c "$COMMAND" </dev/null\n'
            'code=$?\necho "$begin $(date +%s.%N)" >/run/bench-times\nexit $code'
        )
        result = self.run(script, COMMAND=command, **environment)
        begin, end = map(float, self.read("/run/bench-times").split())
        return Timed(end - begin, Result(command, result.code, result.stdout, result.stderr))

    def time_lines(self, command: str, limit: float) -> Timed:
        """The same, noting when each line of its output came."""
        noted = (
            f'{{ timeout -k 10 {limit:.0f} /bin/sh -c "$COMMAND" </dev/null 2>&1; echo "exit $?"; }} |'
            ' while IFS= read -r line; do echo "$(date +%s.%N) $line"; done'
        )
        ran = self.run(f"date +%s.%N; {noted}", COMMAND=command).ok()
        first, *rest = ran.stdout.splitlines()
        begin = float(first)
        lines = [(float(when) - begin, text) for when, _, text in (line.partition(" ") for line in rest)]
        seconds, last = lines.pop()
        code = int(last.removeprefix("exit "))
        return Timed(seconds, Result(command, code, "\n".join(text for _, text in lines), ""), lines)

    def check(self, job: Job) -> dict[str, Any]:
        """What bench/check says; a fault ends the measurement."""
        self.put_private({EXPECTED: json.dumps(job.expected())})
        ran = self.run(f"/usr/bin/python3 {ON_HOST}/check {EXPECTED}")
        must(ran.code == 0, f"{self.name} is not as the job wants it:\n{ran}")
        return json.loads(ran.stdout)

    def megabytes(self, folder: str) -> float:
        """What a directory takes on disk."""
        return int(self.run(f"du -sk {folder}").ok().stdout.split()[0]) / 1024

    def installed_megabytes(self) -> float:
        """What Debian's packages take, as they say themselves."""
        sizes = self.run("dpkg-query --show --showformat '${Installed-Size}\n'").ok().stdout.split()
        return sum(map(int, sizes)) / 1024

    def seed(self, job: Job) -> None:
        """Put the extra users (and only them) there, with one import, for a tool that would take too long to create
        them.
        """
        users, permissions = [], []
        for name, password in job.extra_users.items():
            salt = os.urandom(4)
            hashed = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
            users.append({"name": name, "password_hash": hashed, "hashing_algorithm": HASHING, "tags": []})
            permissions.append({"user": name, "vhost": "phage", "configure": ".*", "write": ".*", "read": ".*"})
        self.put_private({SEED: json.dumps({"users": users, "permissions": permissions})})
        self.run(
            f"chown rabbitmq: {SEED} && rabbitmqctl -q import_definitions {SEED}; code=$?; rm {SEED}; exit $code"
        ).ok()

    def forget_extras(self, job: Job) -> None:
        """Remove the extra users, vhosts and databases, in one call of each service."""
        names = ", ".join(f'<<"{name}">>' for name in job.extra_vhosts)
        remove = (
            '[rabbit_auth_backend_internal:delete_user(N, <<"bench">>)'
            " || U <- rabbit_auth_backend_internal:list_users(), {user, N} <- U,"
            ' binary:match(N, <<"extra">>) =/= nomatch],'
            f' [rabbit_vhost:delete(V, <<"bench">>) || V <- [{names}]], ok.'
        )
        self.run('rabbitmqctl -q eval "$EXPRESSION"', EXPRESSION=remove).ok()
        for name in job.extra_databases:
            self.run(f"runuser -u postgres -- psql -Xqd postgres -c 'DROP DATABASE {name}'").ok()
        job.extra_users, job.extra_vhosts, job.extra_databases = {}, [], []
