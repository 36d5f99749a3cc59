"""A host that already has something keeps it, and converges."""

import json

import pytest
import requests

from support.machine import Machine
from support.neighbours import SOURCE

pytestmark = pytest.mark.hosts("coexist", only=True)


def psql(machine: Machine, port: int, statement: str) -> str:
    """Ask one of the clusters."""
    return machine.run(f'cd / && psql -XAtp {port} -c "{statement}"', user="postgres").ok().stdout.strip()


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


def test_site_stays(machine: Machine) -> None:
    """The other site answers, and ours too."""
    assert requests.get(f"http://{machine.address}:8081/", timeout=30).text == "the other site\n"
    assert "csrfmiddlewaretoken" in requests.get(f"http://{machine.address}/", timeout=30).text


def test_broker_user_stays(machine: Machine) -> None:
    """The other user logs in and keeps vhost and permissions; guest, which pillar lists as absent, is gone."""
    users = {user["user"] for user in json.loads(machine.run("rabbitmqctl -q --formatter json list_users").ok().stdout)}
    assert users == {"neighbour", "phagemasteruser", "phageworkeruser"}
    permissions = json.loads(machine.run("rabbitmqctl -q --formatter json -p elsewhere list_permissions").ok().stdout)
    assert permissions == [{"user": "neighbour", "configure": ".*", "write": ".*", "read": ".*"}]
    said = machine.run("echo neighbour-password | rabbitmqctl authenticate_user neighbour")
    assert said.code == 0, str(said)


def test_apt_source_stays(machine: Machine) -> None:
    """The source that does not answer is where it was."""
    assert "127.0.0.1:9" in machine.read(SOURCE)
