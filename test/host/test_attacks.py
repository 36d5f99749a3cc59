"""Attacks that were carried out once, and what comes of them: SECURITY.md says what is promised."""

import json
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

import tree
from support.logins import query, sign_in
from support.machine import CHECKOUT, Machine
from support.scanning import Api
from support.status import status, well
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.hosts("debian13", "debian13-plain", day=("debian12",))]

PYTHON = "/opt/phagescan-venv/bin/python"
HOSTILE = Path(__file__).with_name("support") / "hostile.py"
ENGINES = {f"hostile{lack}": lack for lack in tree.KERNELS}
SOCKET = "/run/gunicorn/proxy/socket"

# Says of itself what RabbitMQ says of itself, and writes down what it is answered.
BROKER = r"""
import socket, struct
server = socket.create_server(("127.0.0.1", 5672))
print("listening", flush=True)
arguments = b"\x00\x09\x00\x00\x00\x00" + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US"
method = struct.pack(">HH", 10, 10) + arguments
while True:
    client, _ = server.accept()
    client.recv(8)
    client.sendall(struct.pack(">BHI", 1, 0, len(method)) + method + b"\xce")
    print(client.recv(65536), flush=True)
"""
CONNECT = "from shared.broker import connect; connect(5, 5)"
SHUTDOWN = """
import tomllib
from celery import Celery
with open("/etc/phagescan/worker.toml", "rb") as settings:
    broker = tomllib.load(settings)["broker"]
app = Celery(broker="amqp://{user}:{password}@{host}:{port}/{vhost}".format(**broker))
app.control.shutdown()
"""
# What a worker whose login is another's says of a node, of an engine that no one has, and of the master's own node.
IMPOSTOR = """
import json, sys
from kombu import Connection, Exchange, Producer
from uuid import uuid4
login = sys.stdin.readline().strip()
with Connection(f"amqp://impostor:{login}@127.0.0.1:5672/phage") as connection:
    producer = Producer(connection)
    for worker, engines in (("scan@HOST", []), ("scan@impostor", [{"name": "nonesuch", "kind": "evilness"}])):
        body = [[], {"worker": worker, "engines": engines}, {}]
        headers = {"task": "scaggr.announce", "id": str(uuid4()), "lang": "py"}
        for user in ("impostor", None):
            producer.publish(body, exchange="results", routing_key="results", headers=headers, user_id=user)
    event = {"type": "worker-heartbeat", "hostname": "master.master", "timestamp": 253402300799.0, "freq": 2.0,
             "clock": 9, "pid": 1, "utcoffset": 0, "sw_ident": "impostor"}
    producer.publish(event, exchange="celeryev", routing_key="worker.heartbeat", user_id="impostor")
"""
# Without their last header.
SLOW = b"GET / HTTP/1.1\r\nHost: slow\r\n"
UPLOAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"


# out of the sandbox


@pytest.fixture(scope="module")
def hostile(machine: Machine) -> Iterator[dict[str, dict[str, Any]]]:
    """What engines answered that a sample has taken over, each on a kernel that lacks something else."""
    api = Api(machine)
    folder = f"{CHECKOUT}/roots/phagescan/engines"
    machine.put({f"{folder}/{name}.py": HOSTILE.read_bytes() for name in ENGINES})
    try:
        engines = json.dumps({"phagescan": {"engines": {name: {"timeout": 30} for name in ENGINES}}})
        machine.highstate(f"pillar='{engines}'").ok()
        wait_until(lambda: api.engines() >= ENGINES.keys(), "the engines are announced")
        yield api.scan(b"attack") | {f"{name} x32": verdict for name, verdict in api.scan(b"x32").items()}
    finally:
        machine.run(f"rm {folder}/hostile*.py").ok()
        machine.highstate().ok()
        wait_until(lambda: api.engines() == {"yara", "fileinfo"}, "they are gone")


@pytest.mark.parametrize("engine", ENGINES)
def test_sandbox(hostile: dict[str, dict[str, Any]], engine: str) -> None:
    """An engine that a sample has taken over gets no further than SECURITY.md says of a kernel like that."""
    verdict = hostile[engine]
    assert verdict["outcome"] == "clean", verdict
    done = dict(verdict["metadata"])
    assert int(done.pop("attempts")) > 100
    permitted = tree.remaining(ENGINES[engine])
    assert {name: how for name, how in done.items() if name not in permitted} == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_another_architecture(hostile: dict[str, dict[str, Any]], engine: str) -> None:
    """A call by the numbers of another architecture is refused, or with systemd the end of who makes it."""
    verdict = hostile[f"{engine} x32"]
    assert verdict["metadata"] == {"x32": "refused"} or verdict["error"] == "crashed: SIGSYS", verdict


def broken_engines(machine: Machine) -> str:
    """What status says of the engines, when that is no good."""
    part = status(machine)[1]["engines"]
    return part["said"] if part["ok"] is False else ""


@pytest.mark.once
@pytest.mark.day
def test_worker_that_cannot_scan(machine: Machine, hostile: dict[str, dict[str, Any]]) -> None:
    """A pool that answers, but writes no sample any more, is BROKEN within a minute, and well again when it can."""
    pool = machine.run("pgrep --full --uid avscan celeryd").ok().stdout.split()
    try:
        for pid in pool:
            machine.run(f"prlimit --pid {pid} --fsize=0:", user="avscan").ok()
        assert "File too large" in wait_until(lambda: broken_engines(machine), "status says so", 60)
        assert "File too large" in str(machine.canary())
    finally:
        for pid in pool:
            machine.run(f"prlimit --pid {pid} --fsize=unlimited:", user="avscan").ok()
    wait_until(lambda: well(machine), "and that it is over", 60)


# local users


@pytest.mark.once
def test_stranger_on_the_brokers_port(machine: Machine) -> None:
    """A process that listens there in RabbitMQ's place gets no password, neither the master's nor the worker's."""
    machine.put({"/var/tmp/broker.py": BROKER.encode()})  # noqa: S108
    machine.service("rabbitmq-server", "stop").ok()
    try:
        machine.run(f"setsid {PYTHON} /var/tmp/broker.py >/var/tmp/heard 2>&1 &", user="nobody").ok()
        wait_until(lambda: "listening" in machine.read("/var/tmp/heard"), "the stranger listens")  # noqa: S108
        said = machine.run(f"su - avuser -c \"DJANGO_SETTINGS_MODULE=scaggr.settings python -c '{CONNECT}'\"")
        assert said.code
        assert "is not rabbitmq's but user" in said.stderr
        wait_until(lambda: "b'" in machine.read("/var/tmp/heard"), "the stranger was heard out")  # noqa: S108
        heard = machine.read("/var/tmp/heard")  # noqa: S108
        assert not [name for name, secret in machine.secrets.items() if secret in heard]
    finally:
        machine.run("pkill -f /var/tmp/broker.py")
        machine.service("rabbitmq-server", "start").ok()
    wait_until(lambda: well(machine), "all is well again", 60)


@pytest.mark.once
def test_no_password_to_the_database(machine: Machine) -> None:
    """The application has none that a stranger on 5432 could be given."""
    settings = machine.read("/etc/phagescan/master.toml")
    assert machine.secrets["database"] not in settings
    assert 'host = "/run/postgresql"' in settings
    assert machine.run("stat -c %U /run/postgresql").ok().stdout == "postgres\n"


def test_gunicorns_socket(machine: Machine) -> None:
    """nginx alone opens it."""
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect('{SOCKET}')"
    assert machine.run(f'{PYTHON} -c "{connect}"', user="www-data").code == 0
    for user in ("nobody", "avscan"):
        refused = machine.run(f'{PYTHON} -c "{connect}"', user=user)
        assert "PermissionError" in refused.stderr, user


@pytest.mark.once
def test_address_is_not_believed_on_the_port(machine: Machine) -> None:
    """Who guesses at 127.0.0.1:9000 is locked out after ten guesses, whatever addresses these come from."""
    script = (
        "import re, urllib.request as r, urllib.parse as p, http.cookiejar as c\n"
        "opener = r.build_opener(r.HTTPCookieProcessor(c.CookieJar()))\n"
        "url = 'http://127.0.0.1:9000/login/'\n"
        "for number in range(14):\n"
        '    token = re.search(\'csrfmiddlewaretoken" value="(.*?)"\', opener.open(url).read().decode())[1]\n'
        "    form = p.urlencode({'csrfmiddlewaretoken': token, 'username': 'nobody', 'password': 'x'}).encode()\n"
        "    headers = {'X-Real-IP': f'192.0.2.{number}', 'X-Forwarded-For': '192.0.2.1', 'Referer': url}\n"
        "    try: opener.open(r.Request(url, form, headers))\n"
        "    except r.HTTPError as error: print(number, error.code); break\n"
    )
    machine.put({"/root/guess.py": script.encode()})
    try:
        assert machine.run(f"{PYTHON} /root/guess.py").ok().stdout == "9 429\n"
        assert query(machine, "select distinct host(ip_address) from axes_accessattempt") == "127.0.0.1"
    finally:
        machine.run("su - avuser -c 'python manage.py axes_reset'").ok()


def test_stalled_port(machine: Machine) -> None:
    """Requests to 127.0.0.1:9000 that are sent by halves do not keep the site from others."""
    stall = (
        "import socket, time\n"
        "open_ = [socket.create_connection(('127.0.0.1', 9000)) for _ in range(64)]\n"
        "for each in open_: each.sendall(b'POST /login/ HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\n')\n"
        "print('stalled', flush=True)\n"
        "time.sleep(600)\n"
    )
    machine.put({"/var/tmp/stall.py": stall.encode()})  # noqa: S108
    machine.run(f"setsid {PYTHON} /var/tmp/stall.py >/var/tmp/stalled 2>&1 &", user="nobody").ok()
    try:
        wait_until(lambda: "stalled" in machine.read("/var/tmp/stalled"), "the port is stalled")  # noqa: S108
        for _ in range(20):
            assert requests.get(f"http://{machine.address}/login/", timeout=30).status_code == 200
    finally:
        machine.run("pkill -f /var/tmp/stall.py")


# services against each other


@pytest.mark.once
def test_programs_by_the_database(machine: Machine) -> None:
    """Who takes Django over runs no program as postgres."""
    copy = 'su - avuser -c "psql -h /run/postgresql -d phage -c \\"copy scaggr_canary (line) from program \'id\'\\""'
    refused = machine.run(copy)
    assert refused.code
    assert "permission denied to COPY" in refused.stderr
    rights = "select rolsuper, rolcreatedb, rolcreaterole, rolpassword is null from pg_authid where rolname = 'avuser'"
    assert query(machine, rights) == "f|f|f|t"
    owners = "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace"
    assert query(machine, f"{owners} and relkind in ('r', 'S')") == "avuser"


@pytest.mark.once
def test_shutdown_by_the_broker(machine: Machine) -> None:
    """A worker's login shuts no node of the master down, though it may send what it likes."""
    before = query(machine, "select count(*) from scaggr_canary where passed")
    machine.put({"/root/shutdown.py": SHUTDOWN.encode()})
    machine.run(f"{PYTHON} /root/shutdown.py").ok()
    machine.canary().ok()
    assert int(query(machine, "select count(*) from scaggr_canary where passed")) > int(before)
    if machine.spec.systemd:
        for service in ("celeryd-master", "celeryd-result", "celeryd-periodic"):
            assert machine.run(f"systemctl show --property NRestarts --value {service}").ok().stdout == "0\n", service


@pytest.mark.once
def test_worker_with_a_login_of_its_own(machine: Machine) -> None:
    """It speaks for no other node, and an engine that it invents is waited for by no scan."""
    api, login = Api(machine), secrets.token_hex(16)
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    machine.put({"/root/impostor.py": IMPOSTOR.replace("HOST", machine.kind).encode()})
    machine.put({"/root/login": f"{login}\n".encode()}, mode=0o600)
    try:
        machine.run(
            "cat /root/login | rabbitmqctl add_user impostor"
            " && rabbitmqctl -q set_permissions -p phage impostor '.*' '.*' '.*'"
        ).ok()
        machine.run(f"{PYTHON} /root/impostor.py </root/login").ok()
        wait_until(
            lambda: query(machine, "select live from scaggr_engine where name = 'nonesuch'") == "f", "it is refused"
        )
        assert api.engines() >= {"yara", "fileinfo"}
        assert "nonesuch" not in api.scan(b"it is not waited for")
        said = (
            "select count(*) from scaggr_workerstate where software like 'impostor%' or last_heartbeat > now() + '1h'"
        )
        assert query(machine, said) == "0"
        log = machine.read("/var/log/phagescan/celeryd-result.log")
        assert f"scan@{machine.kind}, a node of phageworkeruser, was named by impostor: refused" in log
        assert f"scan@{machine.kind}, a node of phageworkeruser, was named by no login: refused" in log
    finally:
        machine.run("rabbitmqctl -q delete_user impostor; rm /root/login")
        query(machine, "delete from scaggr_engine where worker = 'scan@impostor'")
        query(machine, "delete from scaggr_node where hostname = 'scan@impostor'")


# from outside


@pytest.mark.once
def test_slow_connections(machine: Machine) -> None:
    """1,700 connections of one address that never finish their request do not keep others from the site."""
    with ExitStack() as stack:
        for _ in range(1700):
            stack.enter_context(socket.create_connection((machine.address, 80), timeout=30)).sendall(SLOW)
        page = f"{PYTHON} -c \"import urllib.request as r; print(r.urlopen('http://127.0.0.1/login/').status)\""
        assert machine.run(page).ok().stdout == "200\n"


@pytest.mark.once
@pytest.mark.parametrize(("path", "status"), [(b"/nowhere", 413), (b"/upload/", 401), (b"/api/samples", 401)])
def test_large_bodies(machine: Machine, path: bytes, status: int) -> None:
    """A large body is refused before it is received, but from who may upload."""
    with socket.create_connection((machine.address, 80), timeout=30) as connection:
        connection.sendall(UPLOAD % path)
        answer = connection.makefile("rb").readline()
    assert re.match(rb"HTTP/1.1 (\d+)", answer)[1] == str(status).encode()  # type: ignore[index]


@pytest.mark.once
def test_large_upload(machine: Machine) -> None:
    """Who has a token uploads what is large."""
    assert Api(machine).upload(bytes(50 << 20)).status_code == 202


@pytest.mark.once
def test_any_host(machine: Machine) -> None:
    """What a request says of its host is in none of the API's addresses."""
    api = Api(machine)
    api.session.headers["Host"] = "evil.example"
    assert api.upload(b"whose host").json()["url"].startswith("/api/samples/")


DJANGO = """
from django.contrib.auth.models import User
user, _ = User.objects.get_or_create(username="reader")
"""


def django(machine: Machine, code: str) -> str:
    """Do something in Django's shell with the account `reader`."""
    machine.put({"/var/tmp/code.py": f"{DJANGO}{code}\n".encode()})  # noqa: S108
    return machine.run("su - avuser -c 'python manage.py shell </var/tmp/code.py'").ok().stdout  # noqa: S108


@pytest.mark.once
def test_downloads(machine: Machine) -> None:
    """An account downloads no sample without the permission, and its tokens end with its password."""
    django(machine, "user.set_password('test-password-1'); user.save()")
    token = machine.run("su - avuser -c 'python manage.py token reader --days 1'").ok().stdout.strip()
    address, headers = f"http://{machine.address}/api/status", {"Authorization": f"Bearer {token}"}
    assert requests.get(address, headers=headers, timeout=30).status_code == 200
    digest = Api(machine).upload(b"for admins").json()["sha256"]
    session, _ = sign_in(machine, "test-password-1", user="reader")
    for how in ("raw", "zip"):
        assert session.get(f"http://{machine.address}/samples/{digest}/{how}/", timeout=30).status_code == 403
    assert session.get(f"http://{machine.address}/samples/{digest}/", timeout=30).status_code == 200
    django(machine, "user.set_password('test-password-2'); user.save()")
    assert requests.get(address, headers=headers, timeout=30).status_code == 401
    django(machine, "user.delete()")
