"""What `phagescan.status` says of a well host, and of one whose parts are broken one at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.machine import Machine
from support.status import AGE_BEAT, GIVE_LOCK, NODES, PARTS, SQL, TAKE_LOCK, ask, status, well
from support.waiting import wait_until

pytestmark = pytest.mark.clone("break")

BEAT = "update django_celery_beat_periodictask set enabled = {} where task = 'scaggr.heartbeat'"
CONFIGS = {
    "celeryd-master": "masterceleryconfig",
    "celeryd-result": "resultsceleryconfig",
    "celeryd-periodic": "periodicceleryconfig",
    "celeryd": "workerceleryconfig",
}
# What no one sees without the broker, or without the database.
BY_BROKER = {*NODES.values(), "camera", "beat", "queues", "engines"}
BY_DATABASE = {"camera", "beat", "clocks", "engines", "samples"}

SAMPLES = "/var/lib/phagescan/samples"
RULE = "/etc/phagescan/yara.d/broken.yar"
# An engine of a worker that has gone since it was announced.
GHOST = """insert into scaggr_engine (name, worker, kind, version, problem, announced_at, live)
    values ('ghost', 'scan@elsewhere', 'evilness', '1', '', now(), true)"""

# What is stopped, and how, is a matter of init.
INITS = pytest.mark.hosts("debian13", day=("debian13-plain",))


@dataclass
class Break:
    """How a part is broken and mended, which part is named then, and of which others nothing can be known."""

    breaks: str
    mends: str
    named: str
    unknown: set[str]
    logged: bool = True


def stopped(service: str, named: str, unknown: set[str]) -> Break:
    """A service that does not run."""
    return Break(f"service {service} stop", f"service {service} start", named, unknown)


def frozen(process: str, named: str, unknown: set[str]) -> Break:
    """Processes that run and do nothing; a pattern that does not match the shell that has it in its command."""
    return Break(f"pkill -STOP {process}", f"pkill -CONT {process}", named, unknown)


def without_login(user: str, named: str, unknown: set[str]) -> Break:
    """A user of the broker whose password was changed behind our back."""
    change = f"rabbitmqctl change_password {user}"
    return Break(f"echo another-password | {change}", f"{change} </root/password-{user}", named, unknown)


def explained(node: str) -> set[str]:
    """What may be unknown while a node does not answer."""
    return {"master.periodic": {"beat"}, "master.results": {"engines"}, "scan": {"engines"}}.get(node, set())


BREAKS = {
    "broker stopped": stopped("rabbitmq-server", "broker", BY_BROKER | {"broker-worker"}),
    "broker frozen": frozen("-x beam.smp", "broker", BY_BROKER | {"broker-worker"}),
    "broker refuses the master": without_login("phagemasteruser", "broker", BY_BROKER),
    "broker refuses the worker": without_login("phageworkeruser", "broker-worker", set()),
    "broker short of memory": Break(
        "rabbitmqctl -q set_vm_memory_high_watermark 0.00001",
        "rabbitmqctl -q set_vm_memory_high_watermark 0.6",
        "broker",
        BY_BROKER | {"broker-worker"},
    ),
    "database stopped": stopped("postgresql", "database", BY_DATABASE),
    "database frozen": frozen("-u postgres", "database", BY_DATABASE),
    "database refuses": Break(
        f"echo 'alter role avuser nologin' | {SQL}",
        f"echo 'alter role avuser login' | {SQL}",
        "database",
        BY_DATABASE,
    ),
    "nginx stopped": stopped("nginx", "web", {"static", "fetch"}),
    "nginx frozen": frozen("-x nginx", "web", {"static", "fetch"}),
    "gunicorn stopped": stopped("gunicorn", "web", {"fetch"}),
    "gunicorn frozen": frozen("-f bin/[g]unicorn", "web", {"fetch"}),
    "static files gone": Break(
        "mv /var/lib/phagescan/static/scaggr /root/scaggr",
        "mv /root/scaggr /var/lib/phagescan/static/",
        "static",
        set(),
    ),
    **{f"{service} stopped": stopped(service, node, explained(node)) for service, node in NODES.items()},
    **{
        f"{service} frozen": frozen(f"-f [c]onfig={CONFIGS[service]}", node, explained(node))
        for service, node in NODES.items()
    },
    "camera stopped": Break("supervisorctl stop celerycam", "supervisorctl start celerycam", "camera", set()),
    "camera frozen": frozen("-f [s]caggr.camera", "camera", set()),
    "beat has no lock": Break(
        f"{TAKE_LOCK}\n{AGE_BEAT}",
        GIVE_LOCK,
        "beat",
        set(),
    ),
    "beat turned off": Break(
        f'echo "{BEAT.format("false")}" | {SQL}',
        f'echo "{BEAT.format("true")}" | {SQL}',
        "beat",
        set(),
        logged=False,
    ),
    "a queue has no consumer": Break(
        f'echo "{GHOST}" | {SQL}',
        f"""echo "delete from scaggr_engine where name = 'ghost'" | {SQL}""",
        "queues",
        set(),
        logged=False,
    ),
    "disk full": Break(
        "mount -t tmpfs -o size=16m tmpfs /tmp; dd if=/dev/zero of=/tmp/full bs=1M count=15 2>/dev/null",
        "umount /tmp",
        "disk",
        set(),
        logged=False,
    ),
    "samples not ours": Break(
        f"chown 4242 {SAMPLES}/incoming",
        f"chown avuser {SAMPLES}/incoming",
        "samples",
        set(),
        logged=False,
    ),
    "engine broken": Break(
        f"echo 'rule everything {{ condition: true }}' >{RULE}; service celeryd restart",
        f"rm {RULE}; service celeryd restart",
        "engines",
        set(),
    ),
}


def marks(name: str) -> list[pytest.MarkDecorator]:
    """Where and when something is broken. Of what is frozen one part stands for all, but in tier `day`."""
    if name.endswith("stopped"):
        return [INITS]
    return [pytest.mark.once, *([pytest.mark.day] if name.endswith("frozen") and name != "broker frozen" else [])]


@pytest.fixture
def broken(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Break]:
    """The host with something broken; mended afterwards."""
    for user, name in (("phagemasteruser", "master"), ("phageworkeruser", "worker")):
        machine.put({f"/root/password-{user}": f"{machine.secrets[name]}\n".encode()}, mode=0o600)
    machine.run(request.param.breaks).ok()
    try:
        yield request.param
    finally:
        machine.run(request.param.mends).ok()
        machine.run("rm /root/password-*").ok()
        wait_until(lambda: well(machine), "all is well again", 60)


def test_all_is_well(machine: Machine) -> None:
    """On a converged host each part is ok: a line each, and exit code 0."""
    wait_until(lambda: well(machine), "all is well", 30)
    code, parts = status(machine)
    assert list(parts) == PARTS
    assert {part["ok"] for part in parts.values()} == {True}
    assert {part["said"] for part in parts.values()}
    assert not [name for name, part in parts.items() if part["log"]]
    lines = ask(machine).ok().stdout.splitlines()
    assert len(lines) == len(PARTS)
    assert {line.split()[0] for line in lines} == {"ok"}
    assert code == 0


@pytest.mark.parametrize(
    "broken",
    [pytest.param(each, id=name, marks=marks(name)) for name, each in BREAKS.items()],
    indirect=True,
)
def test_broken_part_is_named(machine: Machine, broken: Break) -> None:
    """What is broken is named with the end of its log, and nothing else is blamed for it."""

    def named() -> tuple[int, dict[str, Any]] | None:
        code, parts = status(machine)
        return (
            (code, parts) if [name for name, part in parts.items() if part["ok"] is False] == [broken.named] else None
        )

    code, parts = wait_until(named, f"{broken.named} is named", 30)
    assert code == 1
    assert list(parts) == PARTS
    unknown = {name for name, part in parts.items() if part["ok"] is None}
    assert unknown <= broken.unknown
    assert {parts[name]["said"].partition(":")[0] for name in unknown} <= {"not known"}
    assert {name for name, part in parts.items() if part["log"]} == ({broken.named} if broken.logged else set())
    assert len(parts[broken.named]["log"]) <= 5


@pytest.mark.once
@pytest.mark.parametrize("broken", [BREAKS["nginx stopped"]], ids=["nginx stopped"], indirect=True)
def test_text(machine: Machine, broken: Break) -> None:
    """The broken part's line says BROKEN, the lines below it are of its log, and there is no traceback."""
    result = ask(machine)
    assert result.code == 1
    lines = result.stdout.splitlines()
    (number,) = (number for number, line in enumerate(lines) if line.startswith("BROKEN "))
    assert lines[number].split()[1] == "web"
    assert lines[number + 1].startswith("          ")
    assert len([line for line in lines if not line.startswith(" ")]) == len(PARTS)
    assert "Traceback" not in str(result)


def test_it_changes_nothing(machine: Machine) -> None:
    """Asking leaves no queue and no row behind."""

    def left() -> tuple[str, str]:
        queues = machine.run("rabbitmqctl -q -p phage list_queues name | grep -v ^celeryev").ok().stdout
        return "\n".join(sorted(queues.splitlines())), machine.run(
            f"echo 'select count(*) from scaggr_canary' | {SQL}"
        ).stdout

    before = left()
    ask(machine).ok()
    wait_until(lambda: left() == before, "what was there before is there, and no more", 30)
