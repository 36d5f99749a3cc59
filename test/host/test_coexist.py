"""A host that already has something keeps it, and converges."""

import hashlib
import json
import re
import ssl
from contextlib import closing
from http.client import HTTPSConnection

import pytest
import requests

from support.converged import REFUSED, Converged, FirstRun
from support.machine import Machine
from support.neighbours import DATABASES, IN_THE_WAY, SOURCE

pytestmark = pytest.mark.hosts("coexist", only=True)


def psql(machine: Machine, port: int, statement: str) -> str:
    """Ask one of the clusters."""
    return machine.run(f'cd / && psql -XAtp {port} -c "{statement}"', user="postgres").ok().stdout.strip()


@pytest.mark.usefixtures("first_run")
@pytest.mark.parametrize("what", IN_THE_WAY)
def test_refused(image: Converged, what: str) -> None:
    """What others own is named, each in a line with what to do, before anything is touched."""
    text = (image.machine.output / f"{REFUSED}.txt").read_text()
    assert text.count(f"{what}: ") == 1
    (line,) = [line for line in text.splitlines() if f"{what}: " in line]
    assert f"(phagescan:take: ['{what}'] in pillar/local.sls)" in line or "disable and remove it" in line


def test_converges(machine: Machine) -> None:
    """The bundle works beside the others."""
    machine.canary().ok()
    machine.highstate().clean()


def test_databases_stay(machine: Machine) -> None:
    """Another database in the same cluster, and another cluster, with their roles and passwords."""
    for port in (5432, 5433):
        name = f"neighbour{port}"
        owner = f"select pg_get_userbyid(datdba) from pg_database where datname='{name}'"
        assert psql(machine, port, owner) == name
        login = f"psql -XAt -h 127.0.0.1 -p {port} -U {name} -c 'select 1' {name}"
        assert machine.run(login, PGPASSWORD="neighbour-password").ok().stdout.strip() == "1"


def test_other_cluster_is_not_ours(machine: Machine) -> None:
    """Nothing of ours is in the other cluster."""
    assert psql(machine, 5433, "select count(*) from pg_roles where rolname='citestsuper'") == "0"


def test_encoding(machine: Machine) -> None:
    """Ours is of UTF-8, in a cluster of LATIN1."""
    encoding = "select pg_encoding_to_char(encoding) from pg_database where datname in ('phage', 'postgres') order by 1"
    assert psql(machine, 5432, encoding).split() == ["LATIN1", "UTF8"]


def test_broker_stays(machine: Machine) -> None:
    """A broker that is called as ours would be keeps its database, where that was moved to, and its listeners."""
    machine.run(f"test -d {DATABASES}/rabbit@localhost && test ! -e /var/lib/rabbitmq/mnesia").ok()
    assert "*:5672" in machine.run("ss -Hltn sport = :5672").ok().stdout
    assert "listeners" not in machine.read("/etc/rabbitmq/conf.d/50-salt.conf")


def test_site_stays(machine: Machine) -> None:
    """The other site answers, and ours too."""
    assert requests.get(f"http://{machine.address}:8081/", timeout=30).text == "the other site\n"


def test_by_https(machine: Machine, first_run: FirstRun) -> None:
    """A new host speaks HTTPS: the address and the fingerprint that are printed are those of the login page."""
    said = first_run.bootstrap.stdout
    assert re.search(r"(?m)^Phagescan Master: https://[0-9.]+/$", said)
    leaf = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((machine.address, 443), timeout=30))
    shown = ":".join(f"{byte:02X}" for byte in hashlib.sha256(leaf).digest())
    assert f"Certificate:      SHA-256 {shown}\n" in said
    url = f"https://{machine.address}/"  # a clone has an address of its own
    arrival = machine.run("salt-call --local --out=json phagescan.arrival canary=False").ok().stdout
    assert f"Phagescan Master: {url}\n" in json.loads(arrival)["local"]
    redirected = requests.get(f"http://{machine.address}/login/", allow_redirects=False, timeout=30)
    assert redirected.headers["Location"] == f"{url}login/"
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(leaf))
    context.check_hostname = False
    with closing(HTTPSConnection(machine.address, context=context, timeout=30)) as client:
        client.request("GET", "/login/")
        assert b"csrfmiddlewaretoken" in client.getresponse().read()


def test_broker_user_stays(machine: Machine) -> None:
    """The other user logs in and keeps vhost and permissions; guest, which pillar gives away, is gone."""
    users = {user["user"] for user in json.loads(machine.run("rabbitmqctl -q --formatter json list_users").ok().stdout)}
    assert users == {"neighbour", "phagemasteruser", "phageworkeruser"}
    permissions = json.loads(machine.run("rabbitmqctl -q --formatter json -p elsewhere list_permissions").ok().stdout)
    assert permissions == [{"user": "neighbour", "configure": ".*", "write": ".*", "read": ".*"}]
    said = machine.run("echo neighbour-password | rabbitmqctl authenticate_user neighbour")
    assert said.code == 0, str(said)


def test_apt_source_stays(machine: Machine) -> None:
    """The source that does not answer is where it was."""
    assert "127.0.0.1:9" in machine.read(SOURCE)
