"""Planted secrets are in the files that are theirs, and nowhere else, whatever is run and however it ends."""

import base64
import json
from collections.abc import Iterator

import pytest

from support.leaks import ENCODINGS, HOLDERS, Plant, forms, new_secret
from support.machine import CHECKOUT, CREDENTIALS, PLAIN, Machine

pytestmark = [pytest.mark.clone("rotate"), pytest.mark.once]

LOWEST = "-l all"
HIGHSTATE = "salt-call --local --out=highstate state.highstate"  # all that can be shown
SETTINGS = f"{CHECKOUT}/salt/application/files/master.toml.jinja"

# Credentials that cannot be read: what is replaced in them, and by what.
UNREADABLE = {
    "quote": ("secret_key: '", "secret_key: ' '"),
    "tag": ("secret_key: ", "secret_key: !"),
    "alias": ("secret_key: ", "secret_key: *"),
    "jinja": ("#!yaml", "#!jinja|yaml"),  # to which {{ x }} means something
}
# What makes a run fail in the middle, and what mends it.
FAILURES = {
    "broker": (
        "service rabbitmq-server stop && chmod 0 /var/lib/rabbitmq/mnesia",
        "chmod 750 /var/lib/rabbitmq/mnesia",
    ),
    "database": (
        "service postgresql stop && chmod 0 /var/lib/postgresql/*/main",
        "chmod 700 /var/lib/postgresql/*/main",
    ),
    "login": (
        "cp -p /etc/postgresql/*/main/pg_hba.conf /root/pg_hba.conf"
        " && sed -i '1i host all citestsuper 127.0.0.1/32 reject' /etc/postgresql/*/main/pg_hba.conf"
        " && service postgresql reload",
        "cp -p /root/pg_hba.conf /etc/postgresql/*/main/pg_hba.conf && rm /root/pg_hba.conf"
        " && service postgresql reload",
    ),
    "template": (f"echo '{{{{ phagescan.secret_key.there.is.none }}}}' >>{SETTINGS}", f"sed -i '$d' {SETTINGS}"),
    "file": (
        "rm /etc/phagescan/master.toml && mkdir /etc/phagescan/master.toml",
        "rmdir /etc/phagescan/master.toml",
    ),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs that take their time are the long form's."""
    if "failure" in metafunc.fixturenames:
        metafunc.parametrize("failure", FAILURES if metafunc.config.getoption("--long") else ["template"])


@pytest.fixture(scope="module")
def plant(machine: Machine, long: bool) -> Iterator[Plant]:
    """The host with secrets that are known; in the long form a fresh one, which has had them from the beginning."""
    host = machine
    if long:
        host = Machine(machine.kind, machine.run_label, f"{machine.kind}-secrets")
        host.start()
    try:
        if long:
            host.put_tree(local=PLAIN)
            host.run("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes python3").ok()
        plant = Plant(host)
        yield plant
        (machine.output / "secrets.json").write_text(json.dumps(plant.counts))
        plant.leave()
    finally:
        if long:
            host.end()


@pytest.fixture(scope="module")
def converged(plant: Plant, long: bool) -> Iterator[Plant]:
    """It converges, and gets other secrets again afterwards, so that none that was looked for stays in use."""
    before = plant.machine.read(CREDENTIALS) if not long else ""
    plant.change_all()
    if long:
        plant.watch("./bootstrap").ok()
    yield plant
    if before:
        plant.put(before)
        plant.machine.highstate().ok()


@pytest.mark.parametrize("name", ENCODINGS)
def test_knows(name: str) -> None:
    """A secret is found in every encoding, between other things."""
    secret = new_secret()
    assert any(form in f"x{ENCODINGS[name](secret)}y" for form in forms(secret))


@pytest.mark.parametrize("before", range(4))
def test_knows_base64(before: int) -> None:
    """A secret is found in the base64 of a longer text, wherever it is in there."""
    secret = new_secret()
    assert any(form in base64.b64encode(f"{'x' * before}{secret}:y".encode()).decode() for form in forms(secret))


def test_sees(converged: Plant) -> None:
    """Arguments and environment of the shortest-lived process are seen, and whatever init starts."""
    converged.watch("/bin/true argument-in-passing && passing=environment /bin/true && service nginx restart").ok()
    seen = converged.seen()
    for line in ("argument-in-passing", "passing=environment", "/usr/sbin/nginx"):
        assert f"{line}\n" in seen


def test_rotation(converged: Plant, long: bool) -> None:
    """While every password is set again, and while a task goes through every service, at whatever level Salt logs."""
    for level in ("", "-l debug", "-l trace", LOWEST) if long else (LOWEST,):
        converged.change_all()
        ran = converged.watch(f"{HIGHSTATE} {level}").ok()
        assert "user phagemasteruser" in ran.stdout
        seen = converged.seen()
        assert "manage.py\nensure_admin\n" in seen
        assert "DJANGO_SETTINGS_MODULE=scaggr.settings\n" in seen
        converged.watch(f"salt-call --local phagescan.canary {level}").ok()


def test_looking(converged: Plant) -> None:
    """While an operator looks: preview of a rotation, doctor, pillar, arrival."""
    before = converged.machine.read(CREDENTIALS)
    converged.change_all()
    preview = converged.watch(f"{HIGHSTATE} test=True {LOWEST}").ok()
    assert "user phagemasteruser" in preview.stdout
    converged.put(before)
    for command in ("phagescan.doctor", "phagescan.arrival canary=False", "pillar.items", "state.show_highstate"):
        converged.watch(f"salt-call --local {command} {LOWEST}").ok()


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable(converged: Plant, case: str) -> None:
    """While credentials cannot be read, because of what is beside a secret: the place is reported, the text is not."""
    before = converged.machine.read(CREDENTIALS)
    old, new = UNREADABLE[case]
    assert old in before
    converged.put(before.replace(old, new))
    try:
        for command in ("phagescan.doctor", f"state.highstate {LOWEST}"):
            refused = converged.watch(f"salt-call --local {command}")
            assert refused.code != 0
            assert "Rendering SLS 'credentials' failed: line " in refused.stdout
            assert "Traceback" not in refused.stdout
    finally:
        converged.put(before)


def test_failure(converged: Plant, failure: str) -> None:
    """While a rotation fails in the middle; the next run brings it to its end."""
    sabotage, remedy = FAILURES[failure]
    converged.machine.run(sabotage).ok()
    try:
        converged.change_all()
        assert converged.watch(f"{HIGHSTATE} {LOWEST}").code != 0
    finally:
        converged.machine.run(remedy).ok()
    converged.watch(HIGHSTATE).ok()


def test_output(machine: Machine, converged: Plant) -> None:
    """No run so far printed one, the first one included."""
    converged.know(machine.secrets.values())
    said = "".join(path.read_text() for path in machine.output.glob("*.txt") if path.name != "report.txt")
    assert said
    assert converged.reported(said) == []


def test_files(converged: Plant) -> None:
    """Of all files of the host only those hold one that are to, and no one but the one reader may read them."""
    assert converged.files() == sorted(HOLDERS)
    stated = {path: converged.machine.run(f"stat -c '%U:%G %a' {path}").stdout.strip() for path in HOLDERS}
    assert stated == HOLDERS


def test_packed(converged: Plant) -> None:
    """Nor does one stand where it is packed: the journal with all its fields, rotated logs, the database."""
    if converged.machine.spec.systemd:
        assert "_CMDLINE=" in converged.machine.run("journalctl -o export --all -n 100").ok().stdout
        assert not converged.printed("journalctl -o export --all")
    assert not converged.printed("find /var/log -name '*.gz' -exec zcat {} +")
    assert "CREATE ROLE citestsuper" in converged.machine.run("su postgres -c pg_dumpall").ok().stdout
    assert not converged.printed("su postgres -c pg_dumpall")
