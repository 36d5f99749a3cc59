"""What a thief of a password or of a service gains: logins are limited, and services may do little but their work."""

import re
import secrets
from collections.abc import Iterator

import pytest
import requests

from support.logins import query, sign_in
from support.machine import CHECKOUT, Machine
from support.scanning import EICAR, Api

SERVICES = {
    "gunicorn": "avuser",
    "celeryd-master": "avuser",
    "celeryd-result": "avuser",
    "celeryd-periodic": "avuser",
    "celeryd": "avscan",
}
CONFINED = [*SERVICES, "supervisor"]
MOST_EXPOSED = 2.0
# What services read, run or are started by, and root reads because of them.
OURS = (
    *("/opt/phagescan", "/opt/phagescan-venv", "/opt/phagescan-salt", "/etc/phagescan", CHECKOUT),
    *("/etc/systemd/system", "/etc/init.d", "/etc/default", "/etc/gunicorn", "/etc/supervisor", "/etc/nginx"),
    *("/etc/logrotate.d", "/var/lib/phagescan/static"),
)
SAMPLES = "/var/lib/phagescan/samples"
# Forms without our mark: Django answers 403 to each that nginx lets through.
POSTS = """
import sys, urllib.error, urllib.request
for number in range(int(sys.argv[2])):
    try:
        urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=b"x=y"))
    except urllib.error.HTTPError as error:
        print(error.code, "Too many requests" in error.read().decode())
        if error.code == 429:
            break
"""
BURST = 20
FAILURES = 10


def main_process(machine: Machine, service: str) -> str:
    """What a shell on the host replaces by the number of a service's first process."""
    if machine.spec.systemd:
        return f"$(systemctl show --property MainPID --value {service})"
    return f"$(cat /run/{service}/{service}.pid)"


@pytest.mark.parametrize("service", SERVICES)
def test_process(machine: Machine, service: str) -> None:
    """It is not root's and has no capabilities; with systemd it also gains none, and makes only the calls that it
    needs.
    """
    status = dict(
        line.split(":\t", 1)
        for line in machine.read(f"/proc/{main_process(machine, service)}/status").splitlines()
        if "\t" in line
    )
    assert machine.run(f"id -u {SERVICES[service]}").ok().stdout.strip() == status["Uid"].split()[0] != "0"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    if machine.spec.systemd:
        assert (int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]) == (0, "1", "2")


@pytest.mark.parametrize("service", CONFINED)
def test_exposure(machine: Machine, service: str) -> None:
    """What systemd counts of a unit's exposure is at most 2.0; without systemd there are no units of ours."""
    if machine.spec.systemd:
        said = machine.run(f"systemd-analyze security --no-pager {service}").ok().stdout
        assert float(re.findall(r"exposure level for \S+: ([\d.]+)", said)[0]) <= MOST_EXPOSED, said
    else:
        assert machine.run(f"test -e /etc/systemd/system/{service}.service").code == 1


@pytest.mark.parametrize("service", SERVICES)
def test_writes_little(machine: Machine, service: str) -> None:
    """With systemd all is read-only to it but its logs, and samples to those that receive and remove them."""
    mounts = machine.read(f"/proc/{main_process(machine, service)}/mounts").splitlines()
    options = {fields[1]: fields[3].split(",") for fields in map(str.split, mounts)}
    writable = {
        path for path in options if "rw" in options[path] and path.startswith(("/opt", "/etc", "/usr", "/var", "/srv"))
    }
    if machine.spec.systemd:
        logs = "/var/log/phagescan-worker" if service == "celeryd" else "/var/log/phagescan"
        samples = {SAMPLES} if service in ("gunicorn", "celeryd-periodic") else set()
        assert "ro" in options["/"]
        assert writable == {"/var/tmp", logs, *samples}
    else:
        assert "rw" in options["/"]


@pytest.mark.parametrize("user", sorted(set(SERVICES.values())))
def test_nothing_of_ours_is_writable(machine: Machine, user: str) -> None:
    """Whoever takes a service over changes none of the files that it or root runs or reads, and puts none in their
    place.
    """
    found = machine.run(f"find {' '.join(OURS)} ! -type l -writable", user=user)
    assert found.stdout == ""
    parents = {path.rsplit("/", number)[0] or "/" for path in OURS for number in range(1, path.count("/") + 1)}
    assert machine.run(f"find {' '.join(sorted(parents))} -maxdepth 0 -writable", user=user).ok().stdout == ""
    assert len(machine.run(f"find {' '.join(OURS)}", user=user).stdout.splitlines()) > 1000


def test_work_is_done(machine: Machine) -> None:
    """All the same every part does its work."""
    machine.canary().ok()
    assert Api(machine).scan(EICAR + secrets.token_bytes(8))["yara"]["infected"] is True


# logins


@pytest.fixture
def fresh(machine: Machine) -> Iterator[Machine]:
    """The host, with nothing known of any logins, before and after."""

    def forget() -> None:
        machine.service("nginx", "restart").ok()
        machine.run("su - avuser -c 'python manage.py axes_reset'").ok()

    forget()
    yield machine
    forget()


def post(machine: Machine, path: str, number: int) -> list[str]:
    """Post from the host itself until nginx has enough of it; what was answered."""
    machine.put({"/root/posts.py": POSTS.encode()})
    said = machine.run(
        f"/opt/phagescan-venv/bin/python /root/posts.py http://127.0.0.1{path} {number}; rm /root/posts.py"
    ).ok()
    return said.stdout.splitlines()


@pytest.mark.once
def test_flood_of_logins(fresh: Machine) -> None:
    """An address that posts to the login pages too often gets 429, from both, and all else as before; others log in."""
    answers = post(fresh, "/login/", 10 * BURST)
    assert answers[-1] == "429 True"
    assert set(answers[:-1]) == {"403 False"}
    assert len(answers) > BURST
    others = post(fresh, "/admin/login/", BURST)
    assert others[-1] == "429 True", "the limit is of both pages together"
    assert post(fresh, "/logout/", 2 * BURST) == 2 * BURST * ["403 False"]
    fresh.run(
        "/opt/phagescan-venv/bin/python -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1/login/\")'"
    ).ok()
    assert sign_in(fresh, fresh.secrets["admin"])[1].status_code == 200
    assert fresh.run("grep 'limiting requests' /var/log/nginx/error.log").code == 1


@pytest.fixture
def victim(fresh: Machine) -> Iterator[tuple[str, str]]:
    """Somebody who may use the Admin UI, and a password."""
    name, password = f"victim-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    users = "from django.contrib.auth.models import User; User.objects"
    shell = "su - avuser -c \"python manage.py shell -c '{}'\""
    fresh.run(shell.format(f'{users}.create_user(\\"{name}\\", password=\\"{password}\\", is_staff=True)')).ok()
    yield name, password
    fresh.run(shell.format(f'{users}.filter(username=\\"{name}\\").delete()')).ok()


def lock(machine: Machine, name: str) -> str:
    """Guess until there is enough of that, at both pages in turn; the wrong password."""
    guess = secrets.token_urlsafe(16)
    for number in range(FAILURES):
        _, page = sign_in(machine, guess, ("/", "/admin/")[number % 2], name)
        assert page.status_code == (429 if number == FAILURES - 1 else 200), number
    assert "Too many wrong passwords" in page.text
    assert "15 minutes" in page.text
    assert page.headers["Retry-After"] == "900"
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    return guess


@pytest.mark.once
@pytest.mark.parametrize("path", ["/", "/admin/"])
def test_lock(fresh: Machine, victim: tuple[str, str], path: str) -> None:
    """After ten wrong passwords the right one does not help at that address; others log in there, and tokens work."""
    name, password = victim
    token = fresh.run(f"su - avuser -c 'python manage.py token {name}'").ok().stdout.strip()
    guess = lock(fresh, name)
    session, page = sign_in(fresh, password, path, name)
    assert page.status_code == 429
    assert "sessionid" not in session.cookies
    assert sign_in(fresh, fresh.secrets["admin"], path)[1].status_code == 200
    status = requests.get(
        f"http://{fresh.address}/api/status", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert status.status_code == 200
    log = fresh.read("/var/log/phagescan/gunicorn-error.log")
    assert "AXES: Locking out" in log
    assert not {word for word in (name, guess, password) if word in log}
    assert guess not in query(fresh, "select get_data, post_data from axes_accessattempt")


@pytest.mark.once
def test_lock_is_of_an_address(fresh: Machine, victim: tuple[str, str]) -> None:
    """It is the client's own, whatever the client says: it neither locks others out, nor passes for one of them."""
    name, password = victim
    lock(fresh, name)
    pretender = requests.Session()
    pretender.headers.update({"X-Real-IP": "192.0.2.1", "X-Forwarded-For": "192.0.2.1"})
    assert sign_in(fresh, password, user=name, client=pretender)[1].status_code == 429
    (seen,) = query(fresh, "select distinct host(ip_address) from axes_accessattempt").splitlines()
    assert seen not in ("127.0.0.1", "192.0.2.1")


@pytest.mark.once
def test_lock_ends(fresh: Machine, victim: tuple[str, str]) -> None:
    """Once its time is over the right password works, and nothing is kept of the wrong ones."""
    name, password = victim
    lock(fresh, name)
    query(fresh, "update axes_accessattempt set attempt_time = attempt_time - interval '15 minutes'")
    assert sign_in(fresh, password, user=name)[1].status_code == 200
    assert query(fresh, "select count(*) from axes_accessattempt") == "0"


@pytest.mark.once
def test_unlock(fresh: Machine, victim: tuple[str, str]) -> None:
    """The command of the README ends it at once."""
    name, password = victim
    lock(fresh, name)
    fresh.run(f"su - avuser -c 'python manage.py axes_reset_username {name}'").ok()
    assert sign_in(fresh, password, user=name)[1].status_code == 200


@pytest.mark.once
def test_old_attempts_are_removed(fresh: Machine, victim: tuple[str, str]) -> None:
    """The periodic task removes what no one comes back to."""
    sign_in(fresh, "wrong", user=victim[0])
    prune = "su - avuser -c \"python manage.py shell -c 'from scaggr.tasks.periodic import prune; prune()'\""
    fresh.run(prune).ok()
    assert query(fresh, "select count(*) from axes_accessattempt") == "1"
    query(fresh, "update axes_accessattempt set attempt_time = attempt_time - interval '15 minutes'")
    fresh.run(prune).ok()
    assert query(fresh, "select count(*) from axes_accessattempt") == "0"
