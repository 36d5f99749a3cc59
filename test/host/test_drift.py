"""Whatever is altered behind the bundle's back is repaired by one highstate, which names it."""

from dataclasses import dataclass

import pytest

from support.logins import broker_login, database_login, sign_in
from support.machine import Machine
from support.results import Highstate
from support.scanning import Api
from support.status import status
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("break"), pytest.mark.hosts("debian13", day=("debian13-plain",))]

PSQL = 'su postgres -c "cd / && psql -XAqt {}"'
SITE = "$(echo /opt/phagescan-venv/lib/python3*/site-packages)"


@dataclass(frozen=True)
class Drift:
    """One alteration: the command that makes it, what the highstate calls it, and how to see that it is gone."""

    what: str
    command: str
    named: str
    repaired: str
    only: str = ""


def unit(name: str) -> str:
    """Where a service's start is written, for either init."""
    places = (
        f"/etc/systemd/system/{name}.service",
        f"/usr/local/lib/systemd/system/{name}.service",
        f"/etc/init.d/{name}",
    )
    return f"$(ls {' '.join(places)} 2>/dev/null | head -n 1)"


FIRST = [
    # Django is needed for this one, so it comes before Django is broken.
    Drift(
        "administrator's password changed",
        "su - avuser -c 'echo other-password | python manage.py ensure_admin admin'",
        "admin",
        "true",
    ),
    Drift("broker user removed", "rabbitmqctl -q delete_user phageworkeruser", "user phageworkeruser", "true"),
    Drift(
        "broker password changed",
        "echo other-password | rabbitmqctl change_password phagemasteruser",
        "user phagemasteruser",
        "true",
    ),
    Drift(
        "broker permission changed",
        "rabbitmqctl -q set_permissions -p phage phagemasteruser '^x' '.*' '.*'",
        "permission phagemasteruser on phage",
        "rabbitmqctl -q list_permissions -p phage | grep -P 'phagemasteruser\\t\\.\\*\\t\\.\\*\\t\\.\\*'",
    ),
    Drift(
        "broker user made administrator",
        "rabbitmqctl -q set_user_tags phagemasteruser administrator",
        "user phagemasteruser",
        "! rabbitmqctl -q list_users | grep administrator",
    ),
    Drift(
        "guest is back",
        "echo guest | rabbitmqctl add_user guest",
        "user guest",
        "! rabbitmqctl -q list_users | grep guest",
    ),
    Drift(
        "role's flags taken",
        PSQL.format("-c 'alter role citestsuper nosuperuser nocreatedb'"),
        "role citestsuper",
        # role, superuser, inherit, createrole, createdb
        PSQL.format("-c 'table pg_roles'") + " | grep '^citestsuper|t|t|f|t|'",
    ),
    Drift(
        "application's role raised",
        PSQL.format("-c 'alter role avuser superuser'"),
        "role avuser",
        PSQL.format("-c 'table pg_roles'") + " | grep '^avuser|f|t|f|f|'",
    ),
    Drift(
        "table taken from the application",
        PSQL.format("-d phage -c 'alter table scaggr_sample owner to citestsuper'"),
        "schema public of phage",
        PSQL.format("-d phage -c '\\\\dt scaggr_sample'") + " | grep '|avuser$'",
    ),
    Drift(
        "role's password changed",
        PSQL.format("-c \\\"alter role citestsuper password 'other-password'\\\""),
        "role citestsuper",
        "true",
    ),
    Drift("start of gunicorn removed", f"rm {unit('gunicorn')}", "gunicorn", f"test -f {unit('gunicorn')}"),
    Drift(
        "start of a worker altered",
        f"sed -i 's/worker/idler/' {unit('celeryd-master')}",
        "celeryd-master",
        f"! grep idler {unit('celeryd-master')}",
    ),
    Drift("supervisord's name removed", f"rm {unit('supervisord')}", "supervisord", "service supervisord status"),
    Drift(
        "camera's configuration altered",
        "echo 'autorestart=false' >>/etc/supervisor/conf.d/celerycam.conf",
        "celerycam.conf",
        "! grep autorestart=false /etc/supervisor/conf.d/celerycam.conf",
    ),
    Drift(
        "broker's configuration altered",
        "echo '# altered' >>/etc/rabbitmq/conf.d/50-salt.conf",
        "/etc/rabbitmq/conf.d/50-salt.conf",
        "! grep altered /etc/rabbitmq/conf.d/50-salt.conf",
    ),
    Drift(
        "gunicorn's configuration removed",
        "rm /etc/gunicorn/gunicorn.conf.py",
        "/etc/gunicorn/gunicorn.conf.py",
        "test -f /etc/gunicorn/gunicorn.conf.py",
    ),
    Drift(
        "site altered",
        "sed -i 's/101m/1g/' /etc/nginx/sites-available/phagescan",
        "/etc/nginx/sites-available/phagescan",
        "nginx -T 2>/dev/null | grep 101m",
    ),
    Drift(
        "site disabled",
        "rm /etc/nginx/sites-enabled/phagescan",
        "/etc/nginx/sites-enabled/phagescan",
        "nginx -T 2>/dev/null | grep unix:/run/gunicorn",
    ),
    Drift(
        "default site back",
        "ln -s ../sites-available/default /etc/nginx/sites-enabled/default",
        "/etc/nginx/sites-enabled/default",
        "test ! -e /etc/nginx/sites-enabled/default",
    ),
    Drift(
        "package removed from the virtualenv",
        f"cd {SITE} && rm -r sqlparse sqlparse-*.dist-info",
        "sqlparse",
        "/opt/phagescan-venv/bin/python -c 'import sqlparse'",
    ),
    Drift(
        "another version in the virtualenv",
        f"cd {SITE} && sed -i 's/^Version: .*/Version: 0.0.1/' vine-*.dist-info/METADATA"
        " && sed -i 's/^vine-[0-9.]*[.]dist-info/vine-0.0.1.dist-info/' vine-*.dist-info/RECORD"
        " && mv vine-*.dist-info vine-0.0.1.dist-info",
        "vine",
        f"test ! -e {SITE}/vine-0.0.1.dist-info",
    ),
    Drift(
        "celeryd altered",
        "echo '# altered' >>/opt/phagescan-venv/bin/celeryd",
        "/bin/celeryd",
        "! grep altered /opt/phagescan-venv/bin/celeryd",
    ),
    Drift(
        "secrets readable",
        "chmod 0666 /etc/phagescan/master.toml",
        "/etc/phagescan/master.toml",
        'test "$(stat -c %a /etc/phagescan/master.toml)" = 640',
    ),
    Drift(
        "settings altered",
        "sed -i 's/phageworkeruser/somebody/' /etc/phagescan/worker.toml",
        "/etc/phagescan/worker.toml",
        "grep phageworkeruser /etc/phagescan/worker.toml",
    ),
    Drift(
        "settings' folder open",
        "chmod 0777 /etc/phagescan",
        "/etc/phagescan",
        'test "$(stat -c %a /etc/phagescan)" = 755',
    ),
    Drift(
        "code altered",
        "echo 'x = 1' >>/opt/phagescan/scaggr/tasks/master.py",
        "/opt/phagescan",
        "! grep -x 'x = 1' /opt/phagescan/scaggr/tasks/master.py",
    ),
    Drift(
        "code file removed",
        "rm /opt/phagescan/masterceleryconfig.py",
        "/opt/phagescan",
        "test -f /opt/phagescan/masterceleryconfig.py",
    ),
    Drift(
        "code file added",
        "touch /opt/phagescan/scaggr/stranger.py",
        "/opt/phagescan",
        "test ! -e /opt/phagescan/scaggr/stranger.py",
    ),
    Drift(
        "code given away",
        "chown avuser /opt/phagescan/manage.py",
        "/opt/phagescan",
        'test "$(stat -c %U /opt/phagescan/manage.py)" = root',
    ),
    Drift(
        "static file removed",
        "rm /var/lib/phagescan/static/admin/css/base.css",
        "/var/lib/phagescan/static",
        "test -f /var/lib/phagescan/static/admin/css/base.css",
    ),
    Drift(
        "log folder open",
        "chmod 0777 /var/log/phagescan",
        "/var/log/phagescan",
        'test "$(stat -c %a /var/log/phagescan)" = 750',
    ),
    Drift(
        "log rotation removed",
        "rm /etc/logrotate.d/phagescan",
        "/etc/logrotate.d/phagescan",
        "test -f /etc/logrotate.d/phagescan",
    ),
    Drift(
        "login path removed",
        "rm /opt/phagescan/.profile",
        "/opt/phagescan/.profile",
        "su - avuser -c 'command -v celeryd'",
    ),
    Drift("user's shell changed", "usermod -s /bin/false avuser", "avuser", "getent passwd avuser | grep /bin/bash"),
    Drift(
        "samples readable",
        "chmod 0755 /var/lib/phagescan/samples",
        "/var/lib/phagescan/samples",
        'test "$(stat -c %a /var/lib/phagescan/samples)" = 700',
    ),
    Drift(
        "stranger among the rules",
        "echo 'rule all { condition: true }' >/etc/phagescan/yara.d/all.yar",
        "/etc/phagescan/yara.d",
        "test ! -e /etc/phagescan/yara.d/all.yar",
    ),
    Drift("scan worker stopped", "service celeryd stop", "celeryd", "service celeryd status"),
    Drift(
        "scan worker let out",
        "rm /etc/systemd/system/celeryd.service.d/network.conf",
        "network.conf",
        "test -f /etc/systemd/system/celeryd.service.d/network.conf",
        "systemd",
    ),
    Drift("worker stopped", "service celeryd-periodic stop", "celeryd-periodic", "service celeryd-periodic status"),
    Drift(
        "worker not started on boot",
        "systemctl -q disable celeryd-result",
        "celeryd-result",
        "systemctl -q is-enabled celeryd-result",
        "systemd",
    ),
    Drift(
        "worker not started on boot",
        "update-rc.d celeryd-result disable",
        "celeryd-result",
        "ls /etc/rc2.d/S??celeryd-result",
        "plain",
    ),
    Drift("proxy stopped", "service nginx stop", "nginx", "service nginx status"),
    Drift("camera stopped", "supervisorctl stop celerycam", "celerycam", "supervisorctl status celerycam"),
]
SECOND = [
    Drift(
        "vhost removed", "rabbitmqctl -q delete_vhost phage", "vhost phage", "rabbitmqctl -q list_vhosts | grep phage"
    ),
    Drift(
        "broker's application stopped",
        "rabbitmqctl -q stop_app",
        "application",
        "rabbitmq-diagnostics -q check_running",
    ),
    Drift(
        "database removed",
        PSQL.format("-c 'drop database phage with (force)'"),
        "database phage",
        PSQL.format("-l") + " | grep phage",
    ),
    Drift("database service stopped", "service postgresql stop", "postgresql", "service postgresql status"),
    Drift(
        "package removed",
        "DEBIAN_FRONTEND=noninteractive apt-get -qq remove supervisor",
        "supervisor",
        "service supervisord status",
    ),
    Drift(
        "virtualenv removed",
        "rm -r /opt/phagescan-venv",
        "/opt/phagescan-venv",
        "test -x /opt/phagescan-venv/bin/celeryd",
    ),
    Drift(
        "static files removed",
        "cp -a /var/lib/phagescan/samples /root/ && rm -r /var/lib/phagescan",
        "/var/lib/phagescan/static",
        "test -d /var/lib/phagescan/static/admin && cp -a /root/samples/. /var/lib/phagescan/samples",
    ),
]


def applying(machine: Machine, drifts: list[Drift]) -> list[Drift]:
    """Those that make sense on this init."""
    return [drift for drift in drifts if drift.only in ("", "systemd" if machine.spec.systemd else "plain")]


def repair(machine: Machine, drifts: list[Drift]) -> Highstate:
    """Alter everything, then run one highstate."""
    done = [machine.run(drift.command) for drift in applying(machine, drifts)]
    highstate = machine.highstate()
    for result in done:
        result.ok()
    return highstate


def assert_repaired(machine: Machine, drifts: list[Drift], highstate: Highstate) -> None:
    """Every alteration was named and is gone."""
    text = highstate.text()
    wrong = [f"{drift.what}: not named" for drift in applying(machine, drifts) if drift.named not in text]
    wrong += [f"{d.what}: {r}" for d in applying(machine, drifts) if (r := machine.run(d.repaired)).code != 0]
    assert not wrong, "\n".join([*wrong, text])


@pytest.fixture(scope="module")
def first(machine: Machine) -> Highstate:
    """The highstate after many small alterations, of a host that has just booted, perhaps."""
    wait_until(lambda: machine.run("supervisorctl status celerycam").code == 0, "the camera runs")
    return repair(machine, FIRST)


@pytest.fixture(scope="module")
def second(machine: Machine) -> Highstate:
    """The highstate after a few large ones."""
    return repair(machine, SECOND)


def test_altered(machine: Machine, first: Highstate) -> None:
    """One highstate repairs whatever was altered, and names each."""
    first.ok()
    assert_repaired(machine, FIRST, first)


def test_logins_are_right_again(machine: Machine, first: Highstate) -> None:
    """The passwords are pillar's again: broker, database and web page."""
    assert first.ran.code == 0
    assert broker_login(machine, "master").ok()
    assert broker_login(machine, "worker").ok()
    assert database_login(machine).ok()
    assert "logout" in sign_in(machine, machine.secrets["admin"], "/admin/")[1].text
    assert 'type="password"' in sign_in(machine, "other-password", "/admin/")[1].text


def test_altered_works(machine: Machine, first: Highstate) -> None:
    """The canary flies, and nothing is left to do."""
    assert first.ran.code == 0
    wait_until(lambda: machine.canary().code == 0, "the canary flies", 4)
    machine.highstate().clean()


def test_removed(machine: Machine, second: Highstate) -> None:
    """One highstate makes again whatever was removed as a whole, and names each."""
    second.ok()
    assert_repaired(machine, SECOND, second)


def test_removed_works(machine: Machine, second: Highstate) -> None:
    """The canary flies, and nothing is left to do."""
    assert second.ran.code == 0
    wait_until(lambda: machine.canary().code == 0, "the canary flies", 4)
    machine.highstate().clean()


def test_extension_is_made_again(machine: Machine) -> None:
    """An extension that was dropped is there again; in phage itself PostgreSQL does not let it go, verdicts need it."""
    assert machine.run(PSQL.format("-d phage -c 'drop extension hstore'")).code != 0
    pillar = "pillar='{postgresql: {databases: {drifting: {owner: citestsuper, extensions: [hstore]}}}}'"
    machine.highstate(pillar).ok()
    machine.run(PSQL.format("-d drifting -c 'drop extension hstore'")).ok()
    assert "extension hstore in drifting" in machine.highstate(pillar).ok().text()
    machine.run(
        PSQL.format("-d drifting -c 'drop extension hstore'") + " && " + PSQL.format("-c 'drop database drifting'")
    ).ok()


@pytest.mark.day
def test_folders_made_again(machine: Machine) -> None:
    """A unit keeps the folders that it was given: a service whose folder is another one since is restarted, later as
    well.
    """
    folders = "/var/log/phagescan /var/log/phagescan-worker /var/lib/phagescan/samples"
    machine.run(f"for was in {folders}; do cp -a $was $was.new && rm -r $was && mv $was.new $was; done").ok()

    def broken() -> set[str]:
        return {name for name, part in status(machine)[1].items() if part["ok"] is False}

    # A node that has something to log then falls by itself, and systemd starts it again.
    assert ("web" in broken()) == machine.spec.systemd
    assert ("it cannot write /var/" in machine.highstate().ok().text()) == machine.spec.systemd
    wait_until(lambda: not broken(), "all is well", 60)
    assert Api(machine).upload(b"Into the new folder.").status_code == 202
    machine.highstate().clean()
