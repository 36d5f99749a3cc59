"""Every command line of the manual, as it is written there, with the effect that the manual promises.

manual.txt holds the manual's literal lines in its order; the last test fails when one of them was not tried.
"""

import json
from pathlib import Path

import pytest

from support.logins import broker_login, ctl, database_login, query
from support.machine import Machine
from support.results import Result
from support.terminal import Terminal
from support.waiting import wait_until

pytestmark = pytest.mark.clone("break")

MANUAL = Path(__file__).with_name("manual.txt").read_text().splitlines()
RAN: dict[str, set[str]] = {}
WORKERS = {
    "masterceleryconfig": "master.master",
    "resultsceleryconfig": "master.results",
    "periodicceleryconfig": "master.periodic",
}
SERVICES = ["celeryd-master", "celeryd-result", "celeryd-periodic", "supervisord", "gunicorn"]
FASTER = (
    "from django_celery_beat.models import *;"
    'IntervalSchedule.objects.filter(periodictask__name=\\"Heartbeat\\").update(every={every});'
    "PeriodicTasks.update_changed()"
)


def line(machine: Machine, text: str) -> str:
    """What one types for a line of the manual: without its prompt, and without sudo where the host has none."""
    assert text in MANUAL, f"the manual has no such line: {text}"
    RAN.setdefault(machine.kind, set()).add(text)
    command = text.split("$ ", 1)[-1] if "$ " in text else text.split("# ", 1)[-1] if "=# " in text else text
    return command if machine.spec.sudo else command.removeprefix("sudo ")


def manual(machine: Machine, text: str) -> Result:
    """Carry out a line in the project root."""
    return machine.run(f"cd /opt/phagescan && {line(machine, text)}").ok()


def broker_answers(machine: Machine) -> bool:
    """Whether the broker's application runs."""
    return machine.run("rabbitmq-diagnostics -q check_running").code == 0


def fetch(machine: Machine, url: str) -> str:
    """The page that the host itself gets, and its final address."""
    script = f"import urllib.request as r; a = r.urlopen('{url}'); print(a.url, a.status)"
    return machine.run(f'/opt/phagescan-venv/bin/python -c "{script}"').stdout.strip()


def test_stop_all(machine: Machine) -> None:
    """ps_services.sh stop and stop_app stop all of ours."""
    manual(machine, "sudo dev/ps_services.sh stop")
    assert not [name for name in SERVICES if machine.is_running(name)]
    manual(machine, "sudo rabbitmqctl stop_app")
    assert not broker_answers(machine)


def test_start_all(machine: Machine) -> None:
    """start_app and ps_services.sh start start it again."""
    manual(machine, "sudo rabbitmqctl start_app")
    assert broker_answers(machine)
    manual(machine, "sudo dev/ps_services.sh start")
    assert not [name for name in SERVICES if not machine.is_running(name)]
    machine.canary().ok()


def test_restart_all(machine: Machine) -> None:
    """The manual's restart, line after line."""
    for text in MANUAL[4:8]:
        manual(machine, text)
    machine.canary().ok()


def test_ps_services_restarts(machine: Machine) -> None:
    """The script restarts all at once as well, and tells what runs."""
    machine.run("cd /opt/phagescan && dev/ps_services.sh restart").ok()
    status = machine.run("cd /opt/phagescan && dev/ps_services.sh status").ok().stdout
    assert all(name in status for name in SERVICES)
    machine.canary().ok()


def test_gunicorn(machine: Machine) -> None:
    """Gunicorn stops and starts, and the two addresses answer on the host."""
    manual(machine, "$ sudo service gunicorn stop")
    assert fetch(machine, line(machine, "http://127.0.0.1:9000")) == ""
    manual(machine, "$ sudo service gunicorn start")
    assert fetch(machine, line(machine, "http://127.0.0.1:9000")).endswith("200")
    assert "/admin/login/" in fetch(machine, line(machine, "http://127.0.0.1:9000/admin"))


def test_runserver(machine: Machine) -> None:
    """Django runs by hand, on loopback only, until CTRL+C."""
    machine.service("gunicorn", "stop").ok()
    with Terminal(machine, "avuser") as terminal:
        terminal.type(
            line(machine, "[avuser@host]$ python manage.py runserver -v 3 127.0.0.1:9000 --settings=scaggr.settings")
        )
        terminal.expect("Starting development server at http://127.0.0.1:9000/")
        wait_until(lambda: fetch(machine, "http://127.0.0.1:9000").endswith("200"), "Django answers")
        assert "127.0.0.1:9000" in machine.run("ss -Hltn 'sport = :9000'").stdout
        terminal.interrupt()
    assert fetch(machine, "http://127.0.0.1:9000") == ""
    machine.service("gunicorn", "start").ok()


def test_celeryd(machine: Machine) -> None:
    """The three workers run by hand, each with -B, and no periodic task is sent twice; CTRL+C stops them."""
    for name in SERVICES[:3]:
        machine.service(name, "stop").ok()
    shell = "su - avuser -c 'python manage.py shell -c \"" + FASTER + "\"'"
    machine.run(shell.format(every=1)).ok()
    terminals = [Terminal(machine, "avuser") for _ in WORKERS]
    try:
        for terminal, (module, node) in zip(terminals, WORKERS.items(), strict=True):
            terminal.type(
                line(
                    machine,
                    f"[avuser@host]$ DJANGO_SETTINGS_MODULE=scaggr.settings celeryd --config={module}"
                    f" -E -B -l info --hostname={node}",
                )
            )
        for terminal, node in zip(terminals, WORKERS.values(), strict=True):
            terminal.expect(f"{node} ready")
        machine.canary().ok()
        since = query(machine, "select coalesce(max(number), 0) from scaggr_heartbeat")
        count = f"select count(*) from scaggr_heartbeat where number > {since}"
        wait_until(lambda: int(query(machine, count)) >= 8, "eight periodic tasks have run")
        twice = f"select number from scaggr_heartbeat where number > {since} group by number having count(*) > 1"
        assert query(machine, twice) == ""
        near = (
            "select count(*) from (select sent_at - lag(sent_at) over (order by sent_at) as gap from scaggr_heartbeat"
            f" where number > {since}) as gaps where gap < interval '0.5 seconds'"
        )
        assert query(machine, near) == "0"
        senders = f"select count(distinct sent_by) from scaggr_heartbeat where number > {since}"
        assert query(machine, senders) == "1"
        for terminal in terminals:
            terminal.interrupt()
    finally:
        for terminal in terminals:
            terminal.__exit__(None, None, None)
        machine.run(shell.format(every=30)).ok()
    assert (
        machine.run("pgrep -f 'celeryd --config' || ls -d /proc/[0-9]*/exe >/dev/null; ss -Hltn >/dev/null").code == 0
    )
    for name in SERVICES[:3]:
        machine.service(name, "start").ok()
    machine.canary().ok()


def test_celeryd_debug(machine: Machine) -> None:
    """With -l debug a worker says more."""
    machine.service("celeryd-result", "stop").ok()
    with Terminal(machine, "avuser") as terminal:
        terminal.type(line(machine, MANUAL[14]).replace("-l info", "-l debug"))
        assert "DEBUG" in terminal.expect("master.results ready")
        terminal.interrupt()
    machine.service("celeryd-result", "start").ok()


@pytest.mark.parametrize(
    "service",
    ["celeryd-master", "celeryd-periodic", "celeryd-result", "supervisord", "gunicorn", "nginx", "postgresql"],
)
def test_service(machine: Machine, service: str) -> None:
    """Each service stops and starts under the manual's name, and its status tells the truth."""
    manual(machine, f"$ sudo service {service} stop")
    assert not machine.is_running(service)
    manual(machine, f"$ sudo service {service} start")
    assert machine.is_running(service)


def test_services_recover(machine: Machine) -> None:
    """All that was stopped and started works together again."""
    wait_until(lambda: machine.canary().code == 0, "the canary flies", 4)


def test_list_queues(machine: Machine) -> None:
    """The queues of the vhost are listed with their consumers."""
    listed = manual(machine, "$ sudo rabbitmqctl -p phage list_queues name consumers messages").stdout
    for queue in ("master", "results", "periodic"):
        assert [row for row in listed.splitlines() if row.split()[:2] == [queue, "1"]], listed


def test_stop_app(machine: Machine) -> None:
    """stop_app stops the broker and start_app starts it."""
    manual(machine, "$ sudo rabbitmqctl stop_app")
    assert not broker_answers(machine)
    manual(machine, "$ sudo rabbitmqctl start_app")
    assert broker_answers(machine)


def test_deleting(machine: Machine) -> None:
    """Users and vhost are deleted, and the permissions with them."""
    for text in MANUAL:
        if "rabbitmqctl del_" in text:
            manual(machine, text)
    assert ctl(machine, "list_users") == []
    assert "phage" not in [vhost["name"] for vhost in ctl(machine, "list_vhosts")]
    assert broker_login(machine, "master").code != 0


def test_adding(machine: Machine) -> None:
    """Users, vhost and permissions are added with the manual's own values, and they log in."""
    for text in MANUAL:
        if "rabbitmqctl add_" in text or "set_permissions" in text:
            manual(machine, text)
    assert broker_login(machine, "master", password="longmasterpassword").ok().stdout.strip() == "broker"
    assert broker_login(machine, "worker", password="longworkerpassword").ok().stdout.strip() == "broker"


def test_broker_conf(machine: Machine) -> None:
    """The credentials are BROKER_CONF, where the manual says it is."""
    line(machine, "For the master it is in scaggr/settings.py.")
    line(machine, "For the worker it is in workerceleryconfig.py.")
    logins = (("scaggr.settings", "phagemasteruser", "avuser"), ("workerceleryconfig", "phageworkeruser", "avscan"))
    for module, user, reader in logins:
        script = f'import json, {module} as m; print(json.dumps(m.BROKER_CONF["user"]))'
        machine.put({"/tmp-broker-conf.py": script.encode()})
        command = "cd /opt/phagescan && PYTHONPATH=. /opt/phagescan-venv/bin/python /tmp-broker-conf.py"
        said = machine.run(command, user=reader).ok().stdout
        machine.run("rm /tmp-broker-conf.py").ok()
        assert json.loads(said) == user


def test_postgresql(machine: Machine) -> None:
    """The session in psql creates user, database and extension, and the user logs in."""
    machine.run("cd /opt/phagescan && dev/ps_services.sh stop").ok()
    query(machine, "drop database phage with (force)", "postgres")
    query(machine, "drop role citestsuper", "postgres")
    start = MANUAL.index("$ sudo su postgres")
    session = MANUAL[start : start + 9]
    assert session[-1] == "$ exit"
    with Terminal(machine) as terminal:
        terminal.type(line(machine, session[0]))
        terminal.type("PS1='postgres''> '")
        terminal.expect("postgres> ")
        terminal.type(line(machine, session[1]))
        terminal.expect("postgres=# ")
        terminal.type(line(machine, session[2]))
        terminal.expect("CREATE ROLE")
        terminal.type(line(machine, session[3]))
        terminal.expect("CREATE DATABASE")
        terminal.type(line(machine, session[4]))
        terminal.expect("postgres> ")
        terminal.type(line(machine, session[5]))
        terminal.expect("phage=# ")
        terminal.type(line(machine, session[6]))
        terminal.expect("CREATE EXTENSION")
        terminal.type(line(machine, session[7]))
        terminal.expect("postgres> ")
        terminal.type(line(machine, session[8]))
        terminal.expect("ready> ")
    assert database_login(machine, password="sup3rdup3r").ok().stdout.strip() == "1"
    assert query(machine, "select rolsuper, rolcreatedb from pg_roles where rolname='citestsuper'") == "t|t"


def test_one_highstate_repairs(machine: Machine) -> None:
    """The sample values go, and what pillar says comes back."""
    repaired = machine.highstate().ok()
    for name in ("user phagemasteruser", "user phageworkeruser", "role citestsuper"):
        assert name in repaired.text()
    assert broker_login(machine, "master", password="longmasterpassword").code != 0
    wait_until(lambda: machine.canary().code == 0, "the canary flies", 4)
    machine.highstate().clean()


def test_no_line_is_left_out(machine: Machine) -> None:
    """Each line of the manual was tried."""
    assert set(MANUAL) == RAN[machine.kind]
