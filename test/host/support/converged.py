"""Hosts that are converged once, from bare, and kept as images: suites run on clones of them."""

import fcntl
import functools
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from docker.errors import APIError, ImageNotFound

from support.machine import CHECKOUT, MOUNTED, OUTPUT, PLAIN, PREFIX, Machine
from support.neighbours import make_way, move_in
from support.results import Highstate, Result
from tree import ROOT, files

# What a host is made of.
SOURCES = ("Saltfile", "VERSION", "bootstrap", "formulas/", "pillar/", "roots/", "salt/", "test/images/")
# What a host that has it goes through differently from a bare one.
BEGINNING = ("bootstrap", "roots/minion/", "test/images/")
LABEL = "phagescan-test-beginning"
REFUSED = "bootstrap-refused"  # what a run said whose way was barred
ARCHIVES = "/var/cache/apt/archives"


@dataclass
class FirstRun:
    """What was seen while a bare host became a converged one, or one that is not `bare` became one of another tree."""

    bare: bool
    written: str
    preview: Highstate
    bootstrap: Result
    status: Result
    second: Highstate

    def write(self) -> str:
        """As text."""
        return json.dumps({"tree": digest(), **asdict(self)})

    @classmethod
    def read(cls, text: str) -> "FirstRun":
        """From text."""
        seen = json.loads(text)
        preview, second = (
            Highstate(Result(**seen[name]["ran"]), seen[name]["states"]) for name in ("preview", "second")
        )
        return cls(
            seen["bare"], seen["written"], preview, Result(**seen["bootstrap"]), Result(**seen["status"]), second
        )


@functools.cache
def digest(sources: tuple[str, ...] = SOURCES) -> str:
    """Twelve hexadecimal digits, others for each tree that may converge a host to something else; or of a part of
    it.
    """
    every = hashlib.sha256()
    for name in files():
        if name.startswith(sources):
            path = ROOT / name
            every.update(
                f"{name} {path.stat().st_mode & 0o111:o} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
            )
    return every.hexdigest()[:12]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One of all pytest processes at a time."""
    (OUTPUT / "locks").mkdir(parents=True, exist_ok=True)
    with (OUTPUT / "locks" / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Converged:
    """A kind of host, converged."""

    def __init__(self, kind: str, run: str, *, upgrade: bool = False) -> None:
        """Nothing is made yet. With `upgrade` a kept host of another tree does for a beginning, where the bare one
        would.
        """
        self.machine = Machine(kind, run, kind)
        self.upgrade = upgrade
        self.image = f"{PREFIX}/converged-{kind}:{digest()}"
        self.seen = self.machine.output / "first-run.json"
        self.failed = self.machine.output / f"failed-{run}"

    def get(self) -> FirstRun:
        """Make the image if it is not there; what was seen when it was made."""
        with locked(self.machine.kind):
            assert not self.failed.exists(), f"{self.machine.kind} did not converge: see {self.failed}"
            if not self.exists():
                try:
                    self.make()
                except BaseException as error:
                    self.failed.write_text(str(error))
                    raise
        return FirstRun.read(self.seen.read_text())

    def exists(self) -> bool:
        """Whether there is an image of this tree, and what was seen meanwhile."""
        try:
            self.machine.client.images.get(self.image)
            return bool(json.loads(self.seen.read_text())["tree"] == digest())
        except (ImageNotFound, OSError):
            return False

    def make(self) -> None:
        """Converge a host as a new user does: a preview first, then the real run."""
        before = self.before()
        if before:
            self.machine = Machine(self.machine.kind, self.machine.run_label, self.machine.kind, image=before)
        else:
            make_image(self.machine.spec.image)
        machine = self.machine
        machine.start()
        try:
            if machine.bare and machine.kind == "coexist":
                move_in(machine)
            machine.put_tree(local=PLAIN if machine.bare and machine.kind != "coexist" else "")
            if machine.bare:
                share_packages(machine)
            if machine.bare and machine.kind == "coexist":
                assert machine.bootstrap(kept=REFUSED).code
                make_way(machine)
            machine.run("touch /run/before").ok()
            machine.bootstrap("test=True", kept="bootstrap-preview").ok()
            machine.run("touch /run/salt-installed").ok()
            preview = machine.highstate(function="phagescan.preview").ok()
            written = machine.run(
                f"find {CHECKOUT} -newer /run/before -type f ! -path '*/minion.d/*' ! -path '*/__pycache__/*'"
                " && find /etc -newer /run/salt-installed -type f"
            ).stdout
            if machine.bare:
                share_packages(machine, packages(preview))
            bootstrap = machine.bootstrap("--out=highstate", kept="bootstrap").ok()
            status = machine.run(f"cd {CHECKOUT} && salt-call --local phagescan.status")
            second = machine.highstate()
            machine.run(f"rm -f {ARCHIVES}/*.deb").ok()
            machine.commit(self.image, {LABEL: digest(BEGINNING) if machine.bare else "none"})
            self.seen.write_text(FirstRun(machine.bare, written, preview, bootstrap, status, second).write())
        finally:
            machine.end()

    def before(self) -> str:
        """The image to begin with, if not that of a bare host. Those that are of no more use are removed."""
        found = ""
        for image in self.machine.client.images.list(name=self.image.partition(":")[0]):
            if self.upgrade and not found and image.labels.get(LABEL) == digest(BEGINNING):
                found = image.tags[0]
            else:
                with suppress(APIError):  # a host of it still runs, after a run with --keep that was killed
                    self.machine.client.images.remove(image.id, force=True)
        return found


def make_image(name: str) -> None:
    """Make the image of a bare host. Those of one release are made from each other."""
    with locked("images-debian12" if name == "debian12" else "images"):
        made = subprocess.run([ROOT / "test/images/build", name], capture_output=True, text=True)
        assert made.returncode == 0, f"{made.stdout}{made.stderr}"


def packages(preview: Highstate) -> list[str]:
    """What a highstate would install."""
    found = []
    for change in preview.changed:
        if change.function == "packages.installed":
            found += re.findall(r"[a-z0-9][a-z0-9.+-]+", change.comment.partition("installed: ")[2])
    return found


def share_packages(machine: Machine, wanted: list[str] | None = None) -> None:
    """Give a host the packages that hosts of its release have fetched, and keep for them what it fetches in
    addition.
    """
    release = machine.run(". /etc/os-release && echo $VERSION_CODENAME").stdout.strip()
    shared = f"{MOUNTED}/apt-{release}"
    with locked(f"packages-{release}"):
        machine.run(f"mkdir -p {shared} && find {shared} -name '*.deb' -exec cp -u -t {ARCHIVES} {{}} +").ok()
        if wanted:
            machine.run(
                "DEBIAN_FRONTEND=noninteractive apt-get -qq install --download-only --yes --no-install-recommends"
                f" {' '.join(wanted)} && cp -u {ARCHIVES}/*.deb {shared}/"
            ).ok()
