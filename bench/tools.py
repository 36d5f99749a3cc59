"""The tools that do the job: how each is installed, configured and run."""

import json
import re
from abc import ABC, abstractmethod

import yaml
from hosts import ON_HOST, BenchError, Host, Job, Timed, must

from support.machine import CHECKOUT

PIP = "pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes --requirement"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends"
EXTRA_RIGHTS = {"phage": [".*", ".*", ".*"]}


class Tool(ABC):
    """One way to do the job."""

    name: str
    title: str
    converge: str  # the command of every run
    ping: str | None = None
    folder: str | None = None  # where the tool itself lies
    apt = ""  # what it needs of Debian's packages
    install = ""

    def install_on(self, host: Host, limit: float) -> dict[str, float]:
        """Install the tool; seconds of Debian's packages (`prerequisites`) and of the tool itself (`install`)."""
        if not self.install:
            return {"prerequisites": 0.0, "install": 0.0}
        apt = host.time(f"{APT} {self.apt}", limit)
        apt.result.ok()
        own = host.time(self.install, limit)
        own.result.ok()
        return {"prerequisites": apt.seconds, "install": own.seconds}

    @abstractmethod
    def tell(self, host: Host, job: Job) -> None:
        """Write what is wanted where the tool reads it."""

    @abstractmethod
    def changes(self, ran: Timed) -> list[str]:
        """What a run changed; fails when the run did."""

    def cold(self, host: Host, limit: float) -> Timed:
        """The first run."""
        return host.time(self.converge, limit)


class Shell(Tool):
    """A POSIX shell script."""

    name, title = "shell", "shell script"
    converge = f"{ON_HOST}/shell/converge"

    def tell(self, host: Host, job: Job) -> None:
        """Lines in files of its own."""
        lines = [f"password user {name} {password}" for name, password in job.users.items()]
        lines += [f"password role {name} {password}" for name, password in job.roles.items()]
        extra = [f"vhost {name}" for name in job.extra_vhosts]
        extra += [f"database {name} citestsuper" for name in job.extra_databases]
        for name, password in job.extra_users.items():
            extra += [f"user {name} phage .* .* .*", f"password user {name} {password}"]
        files = {"passwords.conf": lines, "extra.conf": extra}
        host.put_private({f"{ON_HOST}/shell/{name}": "\n".join([*text, ""]) for name, text in files.items()})

    def changes(self, ran: Timed) -> list[str]:
        """Its `changed:` lines."""
        ran.result.ok()
        return [line for line in ran.result.stdout.splitlines() if line.startswith("changed:")]


class Salt(Tool):
    """Any highstate."""

    tree: str

    def pillar(self, job: Job, users: dict[str, str]) -> dict[str, object]:
        """The extra things, or passwords, in the shape that both trees read."""
        return {name: {"password": password, "permissions": EXTRA_RIGHTS} for name, password in users.items()}

    def tell(self, host: Host, job: Job) -> None:
        """Two generated pillar files."""
        passwords = {
            "rabbitmq": {"users": {name: {"password": password} for name, password in job.users.items()}},
            "postgresql": {"roles": {name: {"password": password} for name, password in job.roles.items()}},
        }
        extra = {
            "rabbitmq": {"vhosts": ["phage", *job.extra_vhosts], "users": self.pillar(job, job.extra_users)},
            "postgresql": {"databases": {name: {"owner": "citestsuper"} for name in job.extra_databases}},
        }
        files = {"passwords": passwords, "extra": extra}
        host.put_private(
            {f"{self.tree}/pillar/{name}.sls": "#!yaml\n" + dump(values) for name, values in files.items()}
        )

    def changes(self, ran: Timed) -> list[str]:
        """States with changes."""
        try:
            states = json.loads(ran.result.stdout)["local"]
            failed = [f"{key}: {state['comment']}" for key, state in states.items() if state["result"] is False]
        except (ValueError, LookupError, AttributeError, TypeError):
            raise BenchError(str(ran.result)) from None
        must(states and not failed and ran.result.code == 0, "\n".join(failed) or str(ran.result))
        return [key for key, state in states.items() if state["changes"]]


class Stock(Salt):
    """Stock states, and Salt as its documentation installs it."""

    name, title = "stock", "stock Salt states"
    tree = f"{ON_HOST}/stock"
    folder = "/opt/salt"
    # A compiler, for timelib.
    apt = "ca-certificates python3 python3-venv python3-dev gcc libc6-dev"
    install = f"python3 -m venv {folder} && {folder}/bin/{PIP} {ON_HOST}/stock/lock.txt"
    converge = f"cd {tree} && {folder}/bin/salt-call --local state.highstate --out=json"
    ping = f"cd {tree} && {folder}/bin/salt-call --local test.ping"

    def tell(self, host: Host, job: Job) -> None:
        """Where the tree lies, too."""
        roots = {"file_roots": {"base": [f"{self.tree}/salt"]}, "pillar_roots": {"base": [f"{self.tree}/pillar"]}}
        host.put({f"{self.tree}/minion/minion.d/host.conf": dump(roots).encode()})
        super().tell(host, job)


class Bootstrapped(Salt):
    """Salt as ./bootstrap installs it."""

    folder = "/opt/phagescan-salt"
    steps = ("installing salt==", "running state.highstate")

    def split(self, ran: Timed) -> dict[str, float]:
        """Seconds until Salt's own turn came, of Salt, and of the rest, by the lines that bootstrap prints."""
        begins = [next((when for when, line in ran.lines if step in line), None) for step in self.steps]
        own = begins[0] if begins[0] is not None else 0.0
        end = begins[1] if begins[1] is not None else ran.seconds
        return {"prerequisites": own, "install": end - own, "rest": ran.seconds - end}


class Bundle(Bootstrapped):
    """The formulas of the job, with a top and a pillar of their own."""

    name, title = "bundle", "this bundle, the job"
    tree = f"{ON_HOST}/bundle"
    # Not by the wrapper, which knows the checkout alone.
    converge = f"cd {tree} && {Bootstrapped.folder}/bin/salt-call --local state.highstate --out=json"
    ping = f"cd {tree} && {Bootstrapped.folder}/bin/salt-call --local test.ping"

    def install_on(self, host: Host, limit: float) -> dict[str, float]:
        """What bootstrap does before it makes credentials."""
        script = f"{CHECKOUT}/bootstrap"
        text = host.read(script)
        before, line, _ = text.partition("\n[ $preview = yes ] || make_pillar\n")
        must(line, "bootstrap has no line `[ $preview = yes ] || make_pillar` to stop before")
        host.put({f"{script}-salt": f"{before}\n".encode()}, mode=0o755)
        ran = host.time_lines(f"{script}-salt", limit)
        ran.result.ok()
        return self.split(ran)

    def tell(self, host: Host, job: Job) -> None:
        """Where the formulas lie, too."""
        roots = {
            "file_roots": {"base": [f"{self.tree}/salt", f"{CHECKOUT}/formulas"]},
            "pillar_roots": {"base": [f"{self.tree}/pillar"]},
            "module_dirs": [f"{CHECKOUT}/salt", f"{CHECKOUT}/formulas"],
        }
        host.put({f"{self.tree}/minion/minion.d/host.conf": dump(roots).encode()})
        super().tell(host, job)


class Master(Bootstrapped):
    """The whole master, as shipped."""

    name, title = "master", "this bundle, the whole master"
    converge = f"cd {CHECKOUT} && salt-call --local state.highstate --out=json"
    ping = f"cd {CHECKOUT} && salt-call --local test.ping"
    credentials = f"{CHECKOUT}/pillar/credentials.sls"

    def install_on(self, host: Host, limit: float) -> dict[str, float]:
        """./bootstrap does all at once."""
        self.bootstrapped = host.time_lines(f"cd {CHECKOUT} && ./bootstrap", limit)
        self.bootstrapped.result.ok()
        return self.split(self.bootstrapped)

    def cold(self, host: Host, limit: float) -> Timed:
        """That of ./bootstrap: the highstate, and the canary after it."""
        ran = self.bootstrapped
        return Timed(self.split(ran)["rest"], ran.result, ran.lines)

    def tell(self, host: Host, job: Job) -> None:
        """All in credentials.sls, the file for what only this host has. Before bootstrap, there is only what the job
        says.
        """
        there = host.run(f"cat {self.credentials}")
        own = {"admin": {"user": "admin", "password": "for-the-bench-only"}, "secret_key": "for-the-bench-only-" * 3}
        known = yaml.safe_load(there.stdout) if there.code == 0 else {"phagescan": own}
        known["rabbitmq"] = {
            "vhosts": ["phage", *job.extra_vhosts],
            "users": {name: {"password": password} for name, password in job.users.items()}
            | self.pillar(job, job.extra_users),
        }
        known["postgresql"] = {
            "roles": {name: {"password": password} for name, password in job.roles.items()},
            "databases": {name: {"owner": "citestsuper"} for name in job.extra_databases},
        }
        host.put_private({self.credentials: "#!yaml\n" + dump(known)})

    def changes(self, ran: Timed) -> list[str]:
        """States with changes; of bootstrap's text only that it came to its end."""
        if ran is getattr(self, "bootstrapped", None) or ran.lines:
            return ["bootstrap"]
        return super().changes(ran)


class Ansible(Tool):
    """Community collections, pipelining, on the host itself."""

    name, title = "ansible", "Ansible"
    tree = f"{ON_HOST}/ansible"
    folder = "/opt/ansible"
    apt = "ca-certificates python3 python3-venv python3-apt"
    install = f"python3 -m venv {folder} && {folder}/bin/{PIP} {ON_HOST}/ansible/lock.txt"
    converge = f"cd {tree} && {folder}/bin/ansible-playbook -c local site.yml"
    ping = f"cd {tree} && {folder}/bin/ansible all -c local -m ansible.builtin.ping"

    def tell(self, host: Host, job: Job) -> None:
        """Two generated files of variables."""
        rights = [{"vhost": "phage", "configure_priv": ".*", "write_priv": ".*", "read_priv": ".*"}]
        passwords = {"rabbitmq_passwords": job.users | job.extra_users, "postgresql_passwords": job.roles}
        extra = {
            "extra_users": [{"name": name, "permissions": rights} for name in job.extra_users],
            "extra_vhosts": job.extra_vhosts,
            "extra_databases": [{"name": name, "owner": "citestsuper"} for name in job.extra_databases],
        }
        files = {"passwords": passwords, "extra": extra}
        host.put_private({f"{self.tree}/group_vars/all/{name}.yml": dump(values) for name, values in files.items()})

    def changes(self, ran: Timed) -> list[str]:
        """Tasks that say so."""
        recap = re.search(r"changed=(\d+)\s+unreachable=0\s+failed=0", ran.result.ok().stdout)
        must(recap, str(ran.result))
        return re.findall(r"(?m)^changed: .*$", ran.result.stdout)


def dump(values: object) -> str:
    """YAML without anchors, which a person would not write."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    return yaml.dump(values, Dumper=Plain, default_flow_style=None, width=1000)


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Shell, Bundle, Master, Stock, Ansible)}
