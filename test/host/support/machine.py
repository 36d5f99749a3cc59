"""A test host: made bare, converged as a new user would, asked questions."""

import errno
import io
import json
import os
import socket
import struct
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container

from support.archive import contents, packed
from support.network import pip_configuration
from support.results import Highstate, Result
from support.waiting import wait_until
from tree import ROOT

OUTPUT = ROOT / "test" / ".output"
CHECKOUT = "/srv/phagescan-master"
CREDENTIALS = f"{CHECKOUT}/pillar/credentials.sls"
LOCAL = f"{CHECKOUT}/pillar/local.sls"
# Most hosts are asked over HTTP; coexist and vagrant have what a new host has.
PLAIN = "phagescan: {tls: false}\n"
# Who may use sudo.
OPERATOR = "admin"
# Checkouts that are tested side by side give their hosts different names.
PREFIX = os.environ.get("PHAGESCAN_TEST_PREFIX", "phagescan-test")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# What bare hosts have fetched: it is mounted into them, and outlives a run with --keep.
CACHE = "/var/lib/phagescan-test/cache"
MOUNTED = "/var/cache/phagescan-test"
# A kernel without IPv6: socket(AF_INET6) is answered with EAFNOSUPPORT.
WITHOUT_IPV6 = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.EAFNOSUPPORT,
            "args": [{"index": 0, "value": int(socket.AF_INET6), "op": "SCMP_CMP_EQ"}],
        }
    ],
}
PROXIES = [name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper())]


@dataclass(frozen=True)
class Spec:
    """What a test host is made of."""

    image: str
    systemd: bool = True
    sudo: bool = False
    ipv6: bool = True


HOSTS = {
    "debian13": Spec("debian13"),
    "debian12": Spec("debian12", sudo=True),
    "debian13-plain": Spec("debian13-plain", systemd=False, ipv6=False),
    "coexist": Spec("debian13"),
    "worker": Spec("debian13"),
}


def demultiplexed(frames: bytes) -> tuple[str, str]:
    """What was said on standard output and standard error. A frame has one byte for the stream, and four for its
    length.
    """
    said: dict[int, list[bytes]] = {1: [], 2: []}
    position = 0
    while position < len(frames):
        stream, length = struct.unpack_from(">BxxxI", frames, position)
        position += 8 + length
        said[stream].append(frames[position - length : position])
    stdout, stderr = (b"".join(said[stream]).decode(errors="replace") for stream in (1, 2))
    return stdout, stderr


class Machine:
    """One container that is a host."""

    shares = True
    """Whether a bare one shares what it fetches with others."""

    def __init__(self, kind: str, run: str, name: str, *, image: str = "") -> None:
        """Name the host; nothing is started yet. Without an image of its own it is a bare one of its kind."""
        self.kind = kind
        self.spec = HOSTS[kind]
        self.bare = not image
        self.cached = self.bare and self.shares
        self.image = image or f"phagescan-test/{self.spec.image}"
        self.run_label = run
        self.container_name = f"{PREFIX}-{name}"
        self.output = OUTPUT / name
        self.output.mkdir(parents=True, exist_ok=True)
        self.client = docker.from_env(timeout=600)
        self.container: Container

    # starting and ending

    def start(self) -> None:
        """Start it afresh."""
        for container in self.client.containers.list(all=True, filters={"name": f"^/{self.container_name}$"}):
            container.remove(force=True, v=True)
        self.container = self.client.containers.run(
            self.image,
            name=self.container_name,
            hostname=self.kind,
            detach=True,
            labels={"phagescan-test-run": self.run_label},
            cap_add=["SYS_ADMIN", "SYS_PTRACE"],
            security_opt=[f"seccomp={'unconfined' if self.spec.ipv6 else json.dumps(WITHOUT_IPV6)}"],
            cgroupns="private",
            tmpfs={"/run": "", "/tmp": "exec"},
            volumes={CACHE: {"bind": MOUNTED, "mode": "rw"}} if self.cached else {},
            environment={
                **{name: os.environ[name] for name in PROXIES if name in os.environ},
                # Its own for each kind: pip copies a wheel that it has built into place bit by bit.
                **({"PIP_CACHE_DIR": f"{MOUNTED}/pip-{self.kind}"} if self.cached else {}),
            },
            stop_signal="SIGRTMIN+3" if self.spec.systemd else "SIGTERM",
        )
        self.wait_for_boot()
        if self.bare:
            if self.spec.sudo:
                self.run(
                    f"useradd {OPERATOR} && echo '{OPERATOR} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{OPERATOR}"
                ).ok()
            self.give_network_settings()

    def end(self) -> None:
        """Remove it."""
        self.container.remove(force=True, v=True)

    def commit(self, image: str, labels: dict[str, str]) -> None:
        """Switch it off and keep it as an image, which carries the label of the run, and these."""
        self.container.stop(timeout=120)
        self.container.commit(*image.split(":"), changes=[f"LABEL {name}={value}" for name, value in labels.items()])

    def restart(self) -> None:
        """Reboot it."""
        self.container.restart(timeout=60)
        self.wait_for_boot()

    def power_cut(self) -> None:
        """Kill everything at once and boot again; what was in the middle of something may fail to start, again and
        again.
        """
        self.container.kill()
        self.container.wait()
        self.container.start()
        self.wait_for_boot(whole=False)

    def wait_for_boot(self, whole: bool = True) -> None:
        """Until its init has started everything, as a `whole` host does; or so much that one could log in."""
        self.container.reload()
        if self.spec.systemd:
            wait_until(
                lambda: self.run("test -S /run/systemd/private").code == 0,
                f"{self.container_name}: systemd is up",
                1500,
            )
            if not whole:
                wait_until(
                    lambda: self.run("systemctl is-active basic.target").code == 0,
                    f"{self.container_name} has booted",
                    1500,
                )
                return
            state = self.run("systemctl is-system-running --wait").stdout.strip()
            assert state == "running", f"{state}\n{self.run('systemctl --failed --no-legend').stdout}"
        else:
            wait_until(lambda: self.run("test -e /run/booted").code == 0, f"{self.container_name} has booted", 1500)

    @property
    def address(self) -> str:
        """Its address, as seen from outside."""
        self.container.reload()
        return self.container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]

    # giving it files

    def put(self, files: dict[str, bytes], mode: int = 0o644) -> None:
        """Write files, owned by root."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name.lstrip("/"))
                entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
                archive.addfile(entry, io.BytesIO(content))
        self.container.put_archive("/", buffer.getvalue())

    def put_tree(self, revision: str = "", local: str = "") -> None:
        """Lay a fresh clone of the work tree, what git has and what it does not ignore; or of a revision.

        `local` is what the operator has written into pillar/local.sls.
        """
        kept = f"! -path {CREDENTIALS} ! -path {LOCAL} ! -path '*/minion.d/*'"
        self.run(f"mkdir -p {CHECKOUT} && find {CHECKOUT} -type f {kept} -delete").ok()
        self.container.put_archive(CHECKOUT, packed(contents(revision)))
        if local:
            self.put({LOCAL: local.encode()})

    def give_network_settings(self) -> None:
        """Hand on what this machine needs to reach the world: authorities it trusts and pip's configuration."""
        files = {}
        for path in [*Path("/usr/local/share/ca-certificates").rglob("*.crt"), BUNDLE]:
            if path.is_file():
                files[str(path)] = path.read_bytes()
        if files:
            self.put(files)
        configuration = pip_configuration()
        if configuration:
            self.put({"/etc/pip.conf": configuration.encode()})

    # asking it

    def run(self, command: str, user: str = "root", **environment: str) -> Result:
        """Run a shell command. Not by exec_run, which loses what comes together with the headers of the engine's
        answer.
        """
        api = self.client.api
        variables = {"LC_ALL": "C.UTF-8", **environment}
        made = api.exec_create(self.container.id, ["/bin/sh", "-c", command], user=user, environment=variables)["Id"]
        address = f"{api.base_url}/v{api.api_version}/exec/{made}/start"
        answer = api.post(address, json={"Detach": False, "Tty": False}, timeout=None)
        answer.raise_for_status()
        stdout, stderr = demultiplexed(answer.content)
        return Result(command, api.exec_inspect(made)["ExitCode"], stdout, stderr)

    def read(self, path: str) -> str:
        """A file's text."""
        return self.run(f"cat {path}").ok().stdout

    def bootstrap(self, arguments: str = "", kept: str = "bootstrap-again") -> Result:
        """Run ./bootstrap as a new user does, who may use sudo where there is one; keep what it said under this
        name.
        """
        user = OPERATOR if self.spec.sudo else "root"
        result = self.run(f"cd {CHECKOUT} && ./bootstrap {arguments}", user=user)
        (self.output / f"{kept}.txt").write_text(str(result))
        return result

    def highstate(self, arguments: str = "", directory: str = CHECKOUT, function: str = "state.highstate") -> Highstate:
        """Run a highstate and read what every state did."""
        result = self.run(f"cd {directory} && salt-call --local {function} --out=json {arguments}")
        with (self.output / "highstates.txt").open("a") as log:
            log.write(f"{result}\n")
        try:
            states = json.loads(result.stdout)["local"]
        except (ValueError, KeyError):
            states = {}
        return Highstate(result, states if isinstance(states, dict) else {})

    def canary(self) -> Result:
        """Run the canary, as an operator does."""
        return self.run(f"cd {CHECKOUT} && salt-call --local phagescan.canary")

    def credentials(self) -> dict[str, Any]:
        """What bootstrap made."""
        return yaml.safe_load(self.read(CREDENTIALS))

    @property
    def secrets(self) -> dict[str, str]:
        """Each secret value by what it is for."""
        made = self.credentials()
        return {
            "master": made["rabbitmq"]["users"]["phagemasteruser"]["password"],
            "worker": made["rabbitmq"]["users"]["phageworkeruser"]["password"],
            "database": made["postgresql"]["roles"]["citestsuper"]["password"],
            "admin": made["phagescan"]["admin"]["password"],
            "key": made["phagescan"]["secret_key"],
        }

    def service(self, name: str, action: str) -> Result:
        """Run `service NAME ACTION`, the one spelling for both inits."""
        return self.run(f"service {name} {action}")

    def is_running(self, name: str) -> bool:
        """Whether a service says it runs."""
        return self.service(name, "status").code == 0

    def is_enabled(self, name: str) -> bool:
        """Whether it starts on boot."""
        if self.spec.systemd:
            return self.run(f"systemctl is-enabled {name}").stdout.strip() in ("enabled", "enabled-runtime", "alias")
        return self.run(f"ls /etc/rc2.d/S[0-9][0-9]{name}").code == 0
