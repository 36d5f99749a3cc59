"""The broker."""

import pytest
from testinfra.host import Host

from support.logins import broker_login, ctl
from support.machine import Machine


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
            assert not [
                entry for entry in ctl(machine, f"list_permissions -p {vhost['name']}") if "phage" in entry["user"]
            ]


@pytest.mark.parametrize("side", ["master", "worker"])
def test_login_works(machine: Machine, side: str) -> None:
    """Each side logs in with the settings it was given, and a message arrives."""
    assert broker_login(machine, side).ok().stdout.strip() == "broker"


def test_guest_is_refused(machine: Machine) -> None:
    """The broker's well-known account is of no use."""
    refused = broker_login(machine, "master", user="guest", password="guest")
    assert refused.code != 0
    assert "ACCESS_REFUSED" in refused.stderr


def test_wrong_password_is_refused(machine: Machine) -> None:
    """A user with another password stays outside."""
    assert "ACCESS_REFUSED" in broker_login(machine, "master", password="not-the-password").stderr


def test_other_vhost_is_refused(machine: Machine) -> None:
    """A user stays in its vhost."""
    assert broker_login(machine, "worker", vhost="/").code != 0
