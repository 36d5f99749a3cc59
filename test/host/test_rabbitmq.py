"""The broker."""

import json
from typing import Any

import pytest
from testinfra.host import Host

from machine import Machine

LOGIN = """
import json, sys, tomllib
from kombu import Connection
with open(f"/etc/phagescan/{sys.argv[1]}.toml", "rb") as settings:
    broker = tomllib.load(settings)["broker"] | json.loads(sys.argv[2])
with Connection(hostname=broker["host"], port=broker["port"], userid=broker["user"], password=broker["password"],
                virtual_host=broker["vhost"], connect_timeout=10) as connection:
    connection.connect()
    options = {"durable": False, "auto_delete": True, "exclusive": True}
    with connection.SimpleQueue("login-test", queue_opts=options) as queue:
        queue.put({"hello": "broker"})
        print(queue.get(timeout=10).payload["hello"])
"""


def login(machine: Machine, side: str, **overrides: str) -> Any:
    """Log in with a side's settings, and send oneself a message."""
    machine.put({"/root/login.py": LOGIN.encode()})
    return machine.run(f"/opt/phagescan-venv/bin/python /root/login.py {side} '{json.dumps(overrides)}'")


def ctl(machine: Machine, command: str) -> Any:
    """Ask rabbitmqctl."""
    return json.loads(machine.run(f"rabbitmqctl -q --formatter json {command}").ok().stdout)


def test_package(host: Host) -> None:
    """The broker is Debian's."""
    assert host.package("rabbitmq-server").is_installed


def test_config(host: Host) -> None:
    """Its configuration binds it to loopback, and its node name is pinned."""
    config = host.file("/etc/rabbitmq/conf.d/50-salt.conf")
    assert (config.user, config.group, config.mode) == ("root", "root", 0o644)
    assert config.contains("127.0.0.1")
    assert host.file("/etc/rabbitmq/rabbitmq-env.conf").contains("NODENAME=rabbit@")


def test_service(machine: Machine) -> None:
    """It runs, and starts on boot."""
    assert machine.is_running("rabbitmq-server")
    assert machine.is_enabled("rabbitmq-server")


def test_socket(host: Host) -> None:
    """It listens on loopback only, and so do Erlang's own ports."""
    listening = host.socket.get_listening_sockets()
    assert "tcp://127.0.0.1:5672" in listening
    for port in ("5672", "25672", "4369"):
        assert not [
            s
            for s in listening
            if s.startswith("tcp://") and s.endswith(f":{port}") and "127.0.0.1" not in s and "::1" not in s
        ]


def test_users(machine: Machine) -> None:
    """The users are the manual's, and guest is gone."""
    assert {user["user"]: user["tags"] for user in ctl(machine, "list_users")} == {
        "phagemasteruser": [],
        "phageworkeruser": [],
    }


def test_permissions(machine: Machine) -> None:
    """Both users may do everything in the vhost phage, and nothing elsewhere."""
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    granted = {entry.pop("user"): entry for entry in ctl(machine, "list_permissions -p phage")}
    assert granted == {"phagemasteruser": everything, "phageworkeruser": everything}
    for vhost in ctl(machine, "list_vhosts"):
        if vhost["name"] != "phage":
            assert not [entry for entry in ctl(machine, f"list_permissions -p {vhost['name']}") if "phage" in entry["user"]]


@pytest.mark.parametrize("side", ["master", "worker"])
def test_login_works(machine: Machine, side: str) -> None:
    """Each side logs in with the settings it was given, and a message arrives."""
    assert login(machine, side).ok().stdout.strip() == "broker"


def test_guest_is_refused(machine: Machine) -> None:
    """The broker's well-known account is of no use."""
    refused = login(machine, "master", user="guest", password="guest")
    assert refused.code != 0
    assert "ACCESS_REFUSED" in refused.stderr


def test_wrong_password_is_refused(machine: Machine) -> None:
    """A user with another password stays outside."""
    assert "ACCESS_REFUSED" in login(machine, "master", password="not-the-password").stderr


def test_other_vhost_is_refused(machine: Machine) -> None:
    """A user stays in its vhost."""
    assert login(machine, "worker", vhost="/").code != 0
