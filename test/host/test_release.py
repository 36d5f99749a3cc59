"""From the release before to this one: upgraded under load, nothing is lost, and what the operator has made stays.

Tier `day` (`test/run day`), as it takes the lives of two hosts: a master with a scan worker of its own, and a worker on
a host beside it. Both are converged from bare by the last commit whose VERSION differs (a tree without one is 1.0; `--
--since=REVISION` takes another) and used; then this tree is laid over that one as `git pull` does, and ./bootstrap run:
on the master first, and on the worker when the master has long been at work. The tests go in this order.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from support.converged import make_image, share_packages
from support.load import Load, assert_nothing_lost, load
from support.logins import query, sign_in
from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.release import before, pull, version
from support.results import Result
from support.scanning import EICAR, TEXT, Api
from support.status import ask

# A test that comes first waits for the hosts.
pytestmark = [pytest.mark.day, pytest.mark.xdist_group("release"), pytest.mark.timeout(3600)]

SAMPLES = "/var/lib/phagescan/samples"
# When a row came.
TABLES = {"scaggr_sample": "first_seen", "scaggr_scanrun": "created_at", "scaggr_verdict": "answered_at"}
USER, PASSWORD = "operator", "of-the-release-before"
NGINX, BURST = "pillar/nginx.sls", ("burst: 20", "burst: 40")
OPEN = ("rabbitmq:\n", "rabbitmq:\n  listen: 0.0.0.0\n")


class Rows:
    """The rows that a host has, as its release knows them."""

    def __init__(self, machine: Machine) -> None:
        """Remember which columns there are, and until when."""
        listed = (
            "string_agg(column_name, ', ' order by ordinal_position) from information_schema.columns where table_name"
        )
        self.columns = {table: query(machine, f"select {listed} = '{table}'") for table in TABLES}
        self.until = query(machine, "select now()")
        self.seen = self.digests(machine)

    def digests(self, machine: Machine) -> dict[str, str]:
        """How many of these rows there are in each table, and a digest of these columns of them."""
        digests = {}
        for table, came in TABLES.items():
            row = f"({self.columns[table]})::text"
            made = f"count(*) || ' ' || md5(string_agg({row}, '' order by {row}))"
            digests[table] = query(machine, f"select {made} from {table} where {came} <= '{self.until}'")
        return digests


@dataclass
class History:
    """What the release before has made, and how it is recognized."""

    secrets: dict[str, str]
    rows: Rows
    samples: dict[str, str]
    api: Api
    known: dict[str, Any]
    process: str


@dataclass
class Upgrade:
    """What was seen while a host was upgraded."""

    versions: Result
    load: Load


def of_worker(master: Machine) -> list[tuple[str, str]]:
    """What the release before had an operator change in pillar/phagescan.sls of a worker."""
    return [
        ("  # roles: [master, worker]", "  roles: [worker]"),
        ("broker: {host: 127.0.0.1", f"broker: {{host: {master.address}"),
        ("http://127.0.0.1:9000", f"http://{master.address}"),
    ]


def edit(machine: Machine, name: str, *replacements: tuple[str, str]) -> None:
    """Change values in a file of pillar, as an operator does."""
    text = machine.read(f"{CHECKOUT}/{name}")
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    machine.put({f"{CHECKOUT}/{name}": text.encode()})


@contextmanager
def bare(kind: str, name: str, config: pytest.Config, revision: str) -> Iterator[Machine]:
    """A bare host with the tree of a revision."""
    machine = Machine(kind, config.getoption("--run"), name)
    make_image(machine.spec.image)
    machine.start()
    try:
        machine.put_tree(revision)
        share_packages(machine)
        yield machine
    finally:
        if not config.getoption("--keep"):
            machine.end()


@pytest.fixture(scope="module")
def since(request: pytest.FixtureRequest) -> str:
    """The commit that is the release before."""
    return request.config.getoption("--since") or before()


@pytest.fixture(scope="module")
def master(request: pytest.FixtureRequest, since: str) -> Iterator[Machine]:
    """A host with the release before, which scans, and lets workers in from elsewhere."""
    with bare("debian13", "release", request.config, since) as machine:
        machine.bootstrap(kept="bootstrap-before").ok()
        edit(machine, NGINX, BURST)
        edit(machine, "pillar/rabbitmq.sls", OPEN)
        machine.highstate().ok()
        yield machine


@pytest.fixture(scope="module")
def worker(request: pytest.FixtureRequest, since: str, master: Machine) -> Iterator[Machine]:
    """A worker of the release before on another host, as its README says."""
    with bare("worker", "release-worker", request.config, since) as machine:
        password = f"#!yaml\nrabbitmq:\n  users:\n    phageworkeruser: {{password: '{master.secrets['worker']}'}}\n"
        machine.put({CREDENTIALS: password.encode()}, mode=0o600)
        edit(machine, "pillar/phagescan.sls", *of_worker(master))
        machine.bootstrap(kept="bootstrap-before").ok()
        yield machine


@pytest.fixture(scope="module")
def history(master: Machine, worker: Machine) -> History:
    """Samples with verdicts of both workers, a token, and a user who was made in the Admin UI."""
    api = Api(master)
    known = {}
    for content in (EICAR + b"before", TEXT + b"before", bytes(1 << 20)):
        assert set(api.scan(content)) == {"yara", "fileinfo"}
        digest = hashlib.sha256(content).hexdigest()
        known[digest] = api.sample(digest)
    assert answered(master, api, b"before the upgrade") == {"scan@worker"}
    add_user(master)
    return History(master.secrets, Rows(master), stored(master), api, known, process(worker))


@pytest.fixture(scope="module")
def upgrade(master: Machine, worker: Machine, history: History, since: str) -> Upgrade:
    """The master upgraded under load; the worker is left alone."""
    with load(master) as made:
        pull(master, since)
        unconverged = releases(master)
        master.bootstrap(kept="bootstrap-upgrade").ok()
    return Upgrade(unconverged, made)


def releases(machine: Machine) -> Result:
    """The versions of tree and host, as the host says."""
    return machine.run("salt-call --local phagescan.version --out=json")


def add_user(machine: Machine) -> None:
    """Make one, as an administrator does."""
    client, _ = sign_in(machine, machine.secrets["admin"], "/admin/")
    url = f"http://{machine.address}/admin/auth/user/add/"
    client.get(url, timeout=60).raise_for_status()
    form = {"username": USER, "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
    client.post(url, form, headers={"Referer": url}, timeout=60).raise_for_status()
    assert query(machine, f"select count(*) from auth_user where username = '{USER}'") == "1"


def stored(machine: Machine) -> dict[str, str]:
    """The samples on disk, and the SHA-256 of each."""
    lines = (
        machine.run(f"cd {SAMPLES} && find . -type f ! -path './incoming/*' -exec sha256sum {{}} +")
        .ok()
        .stdout.splitlines()
    )
    return {path: digest for digest, path in map(str.split, lines)}


def answered(machine: Machine, api: Api, content: bytes) -> set[str]:
    """Which workers scan a sample while the master's own is stopped."""
    machine.service("celeryd", "stop").ok()
    try:
        assert api.scan(content)["yara"]["infected"] is False
    finally:
        machine.service("celeryd", "start").ok()
    digest = hashlib.sha256(content).hexdigest()
    runs = f"select id from scaggr_scanrun where sample_id = '{digest}'"
    return set(query(machine, f"select worker from scaggr_verdict where run_id in ({runs})").splitlines())


def process(machine: Machine) -> str:
    """The process of its scan worker."""
    return machine.run("systemctl show --property MainPID --value celeryd").ok().stdout.strip()


def test_nothing_is_lost(master: Machine, upgrade: Upgrade) -> None:
    """No request fails but while gunicorn is restarted, as its unit changes; every sample has one verdict of each
    engine, and both workers gave some.
    """
    assert_nothing_lost(master, upgrade.load, restarted=True)
    load = f"run_id in (select id from scaggr_scanrun where name like '{upgrade.load.mark}-%')"
    workers = query(master, f"select distinct worker from scaggr_verdict where {load} order by worker")
    assert workers.splitlines() == ["scan@debian13", "scan@worker"]


def test_history(master: Machine, history: History, upgrade: Upgrade) -> None:
    """What was there before is as it was: rows, samples, and what the API says of them to a token of before."""
    assert history.rows.digests(master) == history.rows.seen
    assert history.samples.items() <= stored(master).items()
    assert {digest: history.api.sample(digest) for digest in history.known} == history.known


def test_edits(master: Machine, history: History, upgrade: Upgrade) -> None:
    """Credentials are the same; what the operator has edited is still in pillar, and on the host."""
    assert master.secrets == history.secrets
    assert BURST[1] in master.read(f"{CHECKOUT}/{NGINX}")
    assert "burst=40" in master.run("nginx -T").ok().stdout
    assert OPEN[1] in master.read(f"{CHECKOUT}/pillar/rabbitmq.sls")


def test_logins(master: Machine, upgrade: Upgrade) -> None:
    """A session of before goes on; the user who was made before logs in, and the administrator by the old password."""
    assert upgrade.load.page_of_the_user().status_code == 200
    for user, password in ((USER, PASSWORD), ("admin", master.secrets["admin"])):
        client, _ = sign_in(master, password, user=user)
        assert client.get(f"http://{master.address}/", allow_redirects=False, timeout=60).status_code == 200


def test_second_run(master: Machine, upgrade: Upgrade) -> None:
    """A second run changes nothing, and neither does a second ./bootstrap."""
    master.highstate().clean()
    assert ": nothing changed" in master.bootstrap().ok().stdout


def test_well(master: Machine, upgrade: Upgrade) -> None:
    """The canary passes, and nothing is broken."""
    master.canary().ok()
    ask(master).ok()
    assert "No faults" in master.run("salt-call --local phagescan.doctor").ok().stdout


def test_version(master: Machine, upgrade: Upgrade, since: str) -> None:
    """The host says which release it was last converged with: before ./bootstrap is run that is not the tree's."""
    unconverged, converged = (json.loads(said.ok().stdout)["local"] for said in (upgrade.versions, releases(master)))
    assert (unconverged["tree"], converged["tree"]) == (version(), version())
    assert unconverged["host"].startswith(version(since))
    assert converged["host"] == version()


def test_worker_of_the_release_before(master: Machine, worker: Machine, history: History, upgrade: Upgrade) -> None:
    """A worker that was not touched goes on scanning for the new master, in the process that served the old one."""
    assert answered(master, history.api, b"after the upgrade") == {"scan@worker"}
    assert process(worker) == history.process


def test_worker_is_upgraded(master: Machine, worker: Machine, history: History, upgrade: Upgrade, since: str) -> None:
    """The worker follows, once what was edited has moved to local.sls as CHANGELOG says, and scans."""
    edit(worker, "pillar/phagescan.sls", *((new, old) for old, new in of_worker(master)))
    moved = f"broker: {{host: {master.address}}}, worker: {{master_url: 'http://{master.address}'}}"
    worker.put({f"{CHECKOUT}/pillar/local.sls": f"phagescan: {{roles: [worker], {moved}}}\n".encode()})
    pull(worker, since)
    worker.bootstrap(kept="bootstrap-upgrade").ok()
    worker.highstate().clean()
    ask(worker).ok()
    assert process(worker) != history.process
    assert answered(master, history.api, b"after the worker's upgrade") == {"scan@worker"}
