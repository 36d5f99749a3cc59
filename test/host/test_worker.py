"""The scan worker: a service of its own user that may do what scanning needs, and no more."""

from collections.abc import Iterator
from functools import partial

import pytest
from testinfra.host import Host

from support.machine import Machine
from support.scanning import EICAR, Api
from support.waiting import wait_until

RESTRICTED = "pillar='{rabbitmq: {least_privilege: true}}'"
LOGIN = """
import json, tomllib
import amqp
login = tomllib.load(open("/etc/phagescan/worker.toml", "rb"))["broker"]
def connect():
    where = f"{login['host']}:{login['port']}"
    connection = amqp.Connection(where, login["user"], login["password"], virtual_host=login["vhost"])
    connection.connect()
    return connection
"""
# What a worker that was taken over would try with its login; each line says whether the broker let it.
INTRUDER = (
    LOGIN
    + """
def attempt(name, act):
    connection = connect()
    channel = connection.channel()
    try:
        channel.confirm_select()
        act(channel)
        channel.queue_declare("engine.yara", passive=True)
        print(name, "allowed")
    except amqp.AccessRefused:
        print(name, "refused")
    finally:
        connection.close()
message = amqp.Message("{}")
attempt("task", lambda c: c.basic_publish(message, exchange="", routing_key="master"))
attempt("engine", lambda c: c.basic_publish(message, exchange="", routing_key="engine.yara"))
attempt("exchange", lambda c: c.basic_publish(message, exchange="master", routing_key="master"))
attempt("control", lambda c: c.basic_publish(message, exchange="celery.pidbox", routing_key=""))
attempt("results", lambda c: c.basic_get("results"))
attempt("queue", lambda c: c.queue_declare("mine"))
attempt("purge", lambda c: c.queue_purge("master"))
attempt("delete", lambda c: c.queue_delete("results"))
"""
)
# What it would have the master do for it: send a task to a queue that it cannot write to. The ids are the verdicts' as
# well.
FORGER = (
    LOGIN
    + """
stolen = dict(task="x", args=[], kwargs={}, options=dict(queue="stolen"), subtask_type=None, immutable=True)
asked = dict(callbacks=[stolen], errbacks=[stolen], chain=[stolen])
connection = connect()
channel = connection.channel()
def forge(id, task="scaggr.record", args=(), embed=None, headers=None, **kwargs):
    body = json.dumps([args, kwargs, embed or {}])
    headers = dict(lang="py", task=task, id=id, **headers or {})
    properties = dict(content_type="application/json", content_encoding="utf-8", application_headers=headers)
    channel.basic_publish_confirm(amqp.Message(body, **properties), exchange="results", routing_key="results")
for number, more in enumerate([dict(embed=asked), dict(headers=asked)]):
    succeeds, fails = f"{number}a" + "0" * 30, f"{number}b" + "0" * 30
    forge(succeeds, verdict=succeeds, outcome="clean", **more)
    forge(fails, nonsense=True, **more)
forge("group", task="celery.group", args=[[stolen], [["group", None], []], "group", []])
forge("dispatch", task="scaggr.dispatch", run_id="0" * 32)
connection.close()
"""
)


@pytest.fixture(scope="module")
def restricted(machine: Machine) -> Iterator[Machine]:
    """The host with least_privilege."""
    machine.highstate(RESTRICTED).ok()
    yield machine
    machine.highstate().ok()


def test_user(machine: Machine, host: Host) -> None:
    """All its processes are avscan's, who is in no group of others and cannot log in."""
    processes = [p for p in host.process.filter(user="avscan") if "celeryd" in p.args]
    assert processes
    assert not [p for p in host.process.filter() if "workerceleryconfig" in p.args and p.user != "avscan"]
    user = host.user("avscan")
    assert user.groups == ["avscan"]
    assert user.shell.endswith("nologin")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/phagescan/master.toml",
        "/var/lib/phagescan/samples",
        "/var/log/phagescan",
        "/srv/phagescan-master/pillar/credentials.sls",
    ],
)
def test_reads_nothing_of_the_master(machine: Machine, path: str) -> None:
    """Neither the database's password nor samples nor logs are readable for it."""
    assert machine.run(f"ls {path}/ 2>/dev/null || cat {path}", user="avscan").code != 0


def test_least_privilege_scans(restricted: Machine) -> None:
    """With no more rights than it needs the worker scans, announces its engines and answers `celery inspect`."""
    restricted.service("celeryd", "restart").ok()
    api = Api(restricted)
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    assert api.scan(EICAR + b"least")["yara"]["infected"] is True
    ping = "su - avuser -c 'DJANGO_SETTINGS_MODULE=scaggr.settings celery -A scaggr inspect ping --timeout 5'"
    wait_until(lambda: "scan@" in restricted.run(ping).stdout, "the worker answers", 10)


def test_least_privilege_refuses(restricted: Machine) -> None:
    """With its login no one sends tasks, reads verdicts, or touches other queues."""
    restricted.put({"/intruder.py": INTRUDER.encode()})
    said = restricted.run("/opt/phagescan-venv/bin/python /intruder.py; rm /intruder.py").ok().stdout
    assert {line.split()[1] for line in said.splitlines()} == {"refused"}, said
    assert len(said.splitlines()) == INTRUDER.count("\nattempt(")


def test_messages_give_no_rights(restricted: Machine) -> None:
    """The result collector, whose login may do everything, does nothing for a message but to record what it says."""
    restricted.put({"/forger.py": FORGER.encode()})
    restricted.run("/opt/phagescan-venv/bin/python /forger.py; rm /forger.py").ok()
    log = "/var/log/phagescan/celeryd-result.log"
    for said in (
        *(f"no verdict {number}a000000-0000-0000-0000-000000000000" for number in "01"),
        "an answer is of no use: verdict 'None'",
        *(f"'{task}' is no task of this node" for task in ("celery.group", "scaggr.dispatch")),
    ):
        wait_until(partial(lambda said: restricted.run(f'grep -E "{said}" {log}').stdout, said), said)
    assert "stolen" not in restricted.run("rabbitmqctl -q -p phage list_queues name").ok().stdout
