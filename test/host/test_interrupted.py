"""What is cut off anywhere, killed or with the power, is completed by one more run, and nothing that was there is
lost.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from support.converged import share_packages
from support.interrupting import LOGGING, OUTPUT, Moment, Run, program, spread
from support.leaks import HOLDERS
from support.logins import broker_login, database_login, query, sign_in
from support.machine import CHECKOUT, CREDENTIALS, PLAIN, PREFIX, Machine
from support.scanning import Api
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("cut"), pytest.mark.once]

# Kills and power cuts of the long form, on a fresh host and again on a converged one.
LONG = {"debian13": (40, 10), "debian12": (10, 3), "debian13-plain": (10, 3)}
# In the short form a fresh host goes through these, each run going on from where the last ended.
FRESH = [
    ("kill", Moment("apt installs Python", 0.5, program("dpkg --status-fd"))),
    ("kill", Moment("pip installs Salt", 2, program("-m pip install --no-compile"))),
    ("kill", Moment("dpkg unpacks the services", 2, program("--unpack --auto-deconfigure"))),
    ("power", Moment("dpkg configures the services", 3, program("--configure"))),
    ("kill", Moment("initdb makes the cluster", 0.3, program("initdb -D"))),
    ("kill", Moment("pip installs the application", 3, program("pip --python"))),
    ("kill", Moment("the tables are made", 0.5, program("manage.py migrate"))),
]

# Much to do at once. The passwords in pillar are others each time, too, and a file is new in the code.
DRIFT = (
    "DEBIAN_FRONTEND=noninteractive apt-get -qq remove supervisor nginx",
    "rm -rf /opt/phagescan-venv/lib/python3*/site-packages/django /var/lib/phagescan/static",
    "rm /etc/gunicorn/gunicorn.conf.py /opt/phagescan/masterceleryconfig.py",
    "rabbitmqctl -q clear_permissions -p phage phagemasteruser",
    # What a run leaves that is killed in the instant in which it replaces this one.
    f"cd /etc/phagescan && cp {CREDENTIALS} master.tomlx1y2_3z4 && touch -d '1 minute ago' master.tomlx1y2_3z4",
)
CODE = f"{CHECKOUT}/roots/phagescan/scaggr/interrupted.py"

NEIGHBOUR = """
set -eu
rabbitmqctl -q add_vhost elsewhere
echo neighbour-password | rabbitmqctl add_user neighbour
rabbitmqctl -q set_permissions -p elsewhere neighbour '.*' '.*' '.*'
su postgres -c "cd / && psql -XAqt -c \\"create role neighbour login password 'neighbour-password'\\" \
    -c 'create database neighbour owner neighbour'"
su postgres -c "cd / && psql -d neighbour -c 'set role neighbour' \
    -c 'create table kept as select generate_series(1, 999) as n'"
/opt/phagescan-venv/bin/python - <<PYTHON
import kombu

with kombu.Connection("amqp://neighbour:neighbour-password@127.0.0.1/elsewhere") as connection:
    with connection.SimpleQueue("kept") as queue:
        for number in range(5):
            queue.put({"number": number})
PYTHON
"""
NEIGHBOUR_GONE = """
rabbitmqctl -q delete_user neighbour
rabbitmqctl -q delete_vhost elsewhere
su postgres -c "cd / && psql -XAqt -c 'drop database neighbour' -c 'drop role neighbour'"
"""
# What is there, one command each; what it prints may not change.
TREASURES = {
    "samples": "find /var/lib/phagescan/samples -type f ! -path '*/incoming/*' -exec sha256sum {} + | sort",
    "message queue of another": "rabbitmqctl -q list_queues -p elsewhere name messages",
    "rights of another": "rabbitmqctl -q list_permissions -p elsewhere",
    "login of another": "echo neighbour-password | rabbitmqctl authenticate_user neighbour | grep -o Success",
}
ROWS = {
    "users": "select id, username, is_superuser, last_login is null from auth_user order by id",
    "tokens": "select digest, user_id from scaggr_apitoken order by digest",
    "verdicts": "select v.id, engine, outcome, v.name, metadata"
    " from scaggr_verdict v join scaggr_scanrun r on r.id = run_id"
    " where finished_at is not null order by v.id",
    "runs": "select id, sample_id, name from scaggr_scanrun order by id",
}


def report(machine: Machine, kind: str, moment: Moment, ran: str) -> None:
    """Note what was cut off when."""
    with (machine.output / "kills.txt").open("a") as file:
        file.write(f"{kind}: {moment}: {ran or 'had ended before'}\n")


def assert_cut_off(missed: list[bool]) -> None:
    """Runs that had ended before their moment prove nothing; of the last moments some come too late."""
    assert sum(missed) <= max(1, len(missed) // 10), f"{sum(missed)} of {len(missed)} runs had ended before"


def cut_off(machine: Machine, command: str, how: str, moment: Moment) -> str:
    """Begin a run, and do not let it come to its end; says what ran."""
    run = Run(machine, command)
    return run.kill(moment) if how == "kill" else run.cut_power(moment)


def kinds(kills: int, cuts: int) -> list[str]:
    """Kills, with the power cuts spread among them."""
    every = (kills + cuts) // max(cuts, 1)
    return ["power" if number % every == every // 2 else "kill" for number in range(kills + cuts)]


def assert_secrets_in_place(machine: Machine) -> None:
    """The credentials stand in the files that hold them, and no run has left them elsewhere."""
    values = f"sed -n \"s/.*'\\([0-9a-f]\\{{24,\\}}\\)'.*/\\1/p\" {CREDENTIALS}"
    found = machine.run(f"{values} | grep -rlsF -f - /etc /opt /root /run /srv /tmp /var")
    assert sorted(found.stdout.split()) == sorted(HOLDERS)


# A fresh host


def another(machine: Machine, beside: str, image: str = "") -> Machine:
    """A bare host of the same kind."""
    fresh = Machine(machine.kind, machine.run_label, f"{machine.kind}{beside}", image=image)
    fresh.start()
    return fresh


def complete(fresh: Machine) -> None:
    """One more ./bootstrap makes the host what it should be, with the credentials that there were, and no more is to
    do.
    """
    made = fresh.run(f"cat {CREDENTIALS}").stdout
    fresh.bootstrap().ok()
    assert not made or fresh.read(CREDENTIALS) == made
    fresh.highstate().clean()
    assert fresh.run("ls /var/lib/postgresql/*.making").code != 0
    assert_secrets_in_place(fresh)


def one_by_one(machine: Machine) -> None:
    """One host, cut off again and again before it is left to come to the end."""
    fresh = another(machine, "-fresh")
    try:
        fresh.put_tree(local=PLAIN)
        share_packages(fresh)
        for how, moment in FRESH:
            ran = cut_off(fresh, "./bootstrap", how, moment)
            report(machine, f"fresh, {how}", moment, ran)
            assert ran, f"{moment}: the run had ended before\n{fresh.run(f'tail -n 60 {OUTPUT}').stdout}"
        complete(fresh)
    finally:
        fresh.end()


def one_each(machine: Machine) -> None:
    """A host for each moment, from an image with Salt and the packages, two at a time."""
    first = another(machine, "-fresh")
    image = f"{PREFIX}-interrupted:{machine.kind}"
    wrong, missed = [], []

    def one(number: int, how: str, moment: Moment) -> None:
        fresh = another(machine, f"-fresh{number}", image)
        try:
            ran = cut_off(fresh, "./bootstrap", how, moment)
            report(machine, f"fresh, {how}", moment, ran)
            missed.append(not ran)
            complete(fresh)
        except AssertionError as error:
            (fresh.output / "failed.txt").write_text(str(error))
            wrong.append(f"{how}, {moment}: see {fresh.output}")
        finally:
            fresh.end()

    try:
        first.put_tree(local=PLAIN)
        share_packages(first)
        first.bootstrap("test=True").ok()
        first.container.commit(*image.split(":"))
        Run(first, "./bootstrap").join()
        hows = kinds(*LONG[machine.kind])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(len(hows)), hows, spread(first, len(hows))))
    finally:
        first.end()
        machine.client.images.remove(image, force=True)
    assert not wrong, "\n".join(wrong)
    assert_cut_off(missed)


@pytest.mark.day
@pytest.mark.once
def test_fresh_host(machine: Machine, long: bool) -> None:
    """A first run that was cut off, wherever, is completed by the next."""
    one_by_one(machine)
    if long:
        one_each(machine)


# A converged host


class Converged:
    """A host that has something to lose."""

    def __init__(self, machine: Machine) -> None:
        """Put it there."""
        self.machine = machine
        self.api = Api(machine)
        self.digests: list[str] = []
        machine.run(NEIGHBOUR).ok()

    def upload(self) -> None:
        """Hand a sample in."""
        content = f"interrupted {uuid4().hex}".encode()
        assert self.api.upload(content).status_code == 202
        self.digests.append(hashlib.sha256(content).hexdigest())

    def drift(self) -> None:
        """Make much to do; the scans of what is handed in wait in their queue, as the worker is stopped."""
        self.machine.service("celeryd", "stop").ok()
        self.upload()
        wait_until(lambda: self.queued() == 1, "the message to both engines is queued")
        self.treasures = self.look()
        # The first sample has no verdict yet.
        assert {what for what, things in self.treasures.items() if not things} <= {"verdicts"}, "nothing to lose"
        text = self.machine.read(CREDENTIALS)
        # Not the admin's, which is shorter: with it go the admin's tokens.
        text = re.sub(r"'([0-9a-f]{25,})'", lambda match: f"'{secrets.token_hex(len(match[1]) // 2)}'", text)
        self.machine.put({CREDENTIALS: text.encode()}, mode=0o600)
        self.machine.put({CODE: f'"""{uuid4().hex}"""\n'.encode()})
        for command in DRIFT:
            self.machine.run(command).ok()

    def queued(self) -> int:
        """How many messages wait for the worker."""
        listed = self.machine.run("rabbitmqctl -q list_queues -p phage name messages").ok().stdout
        return sum(int(line.split()[1]) for line in listed.splitlines() if line.startswith("engine."))

    def look(self) -> dict[str, set[str]]:
        """All that may not be lost."""
        found = {what: set(self.machine.run(command).ok().stdout.splitlines()) for what, command in TREASURES.items()}
        found |= {what: set(query(self.machine, statement).splitlines()) for what, statement in ROWS.items()}
        found["rows of another"] = {
            self.machine.run(
                "psql -XAt -h 127.0.0.1 -U neighbour -c 'select count(*), sum(n) from kept' neighbour",
                PGPASSWORD="neighbour-password",
            )
            .ok()
            .stdout
        }
        return found

    def check(self) -> None:
        """Nothing is lost, every scan ends, and the new passwords are the ones that count."""
        self.api.url = f"http://{self.machine.address}/api"  # a container may have another address after a power cut
        there = self.look()
        lost = {what: things - there[what] for what, things in self.treasures.items() if things - there[what]}
        assert not lost
        assert_secrets_in_place(self.machine)
        for digest in self.digests[-2:]:
            assert len(self.api.finished(digest)["verdicts"]) == 2
        machine = self.machine
        for side in ("master", "worker"):
            broker_login(machine, side, password=machine.secrets[side]).ok()
        database_login(machine, password=machine.secrets["database"]).ok()
        assert "logout" in sign_in(machine, machine.secrets["admin"], "/admin/")[1].text


@pytest.fixture(scope="module")
def converged(machine: Machine) -> Iterator[Converged]:
    """The converged host, and at the end as it was."""
    converged = Converged(machine)
    yield converged
    machine.run(f"rm -f {CODE} {' '.join(LOGGING)}; {NEIGHBOUR_GONE}")
    machine.highstate().ok()


@pytest.mark.parametrize(
    "short", [pytest.param(["kill"], id="kill"), pytest.param(["power"], id="power", marks=pytest.mark.day)]
)
def test_converged_host(converged: Converged, short: list[str], long: bool) -> None:
    """A run with much to do that was cut off anywhere is completed by the next, and nothing is lost."""
    machine = converged.machine
    converged.drift()
    Run(machine, "salt-call --local state.highstate").join()
    converged.check()
    hows = kinds(*LONG[machine.kind]) if long else short
    moments = spread(machine, len(hows))
    machine.highstate().clean()
    missed = []
    for how, moment in zip(hows, moments, strict=True):
        converged.drift()
        ran = cut_off(machine, "salt-call --local state.highstate", how, moment)
        report(machine, f"converged, {how}", moment, ran)
        missed.append(not ran)
        machine.highstate().ok()
        converged.check()
        machine.highstate().clean()
    assert_cut_off(missed)


def test_leftovers_of_a_killed_run(machine: Machine) -> None:
    """What Salt wrote down of a run counts for nothing once the run is dead, whoever has its number now."""
    proc = "/var/cache/salt/phagescan/proc/20260101000000000000"
    write = (
        "import os, msgpack; open('{}', 'wb').write(msgpack.dumps("
        "{{'fun': 'state.highstate', 'pid': int(os.environ['OTHER']),"
        " 'jid': '20260101000000000000', 'tgt': 'salt-call'}}))"
    )
    machine.run(
        "sh -c 'sleep 600; : salt-call' >/dev/null 2>&1 & OTHER=$! /opt/phagescan-salt/bin/python -c"
        f' "{write.format(proc)}"; echo $! >/run/other'
    ).ok()
    machine.highstate().clean()
    machine.run(f"kill $(cat /run/other); rm -f {proc} /run/other")
