"""The broker's users, vhosts, permissions and policies: what is compared, and what is then written."""

import base64
import copy
import json
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

ALL = [".*", ".*", ".*"]
PASSWORD = "unit-broker-0123456789"
# RabbitMQ's documentation works this one out by hand: "test12" with the salt 908D C60A.
KNOWN_SALT, KNOWN_HASH = bytes.fromhex("908DC60A"), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
SHA256 = "rabbit_password_hashing_sha256"


@pytest.fixture
def topology(load: Callable[..., ModuleType]) -> ModuleType:
    """The execution module."""
    return load("_modules/rabbitmq_topology", __opts__={"test": False})


@pytest.fixture
def wanted() -> dict[str, Any]:
    """Pillar of one user on one vhost."""
    return {
        "vhosts": ["shop"],
        "users": {"seller": {"password": PASSWORD, "tags": [], "permissions": {"shop": list(ALL)}}},
        "policies": {"shop": {"limit": {"pattern": "^log", "definition": {"max-length": 9}}}},
        "absent": {"users": ["guest"], "vhosts": ["old"]},
    }


@pytest.fixture
def converged(topology: ModuleType) -> dict[str, Any]:
    """What such a broker exports, with things of somebody else's in it."""

    def user(name: str, password: str, tags: Any) -> dict[str, Any]:
        return {"name": name, "password_hash": topology.password_hash(password), "hashing_algorithm": SHA256, "tags": tags}

    def right(name: str, vhost: str) -> dict[str, str]:
        return {"user": name, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}

    return {
        "users": [user("seller", PASSWORD, []), user("stranger", "other-0123456789", ["monitoring"])],
        "vhosts": [{"name": "/"}, {"name": "shop"}, {"name": "theirs"}],
        "permissions": [right("seller", "shop"), right("stranger", "theirs"), right("stranger", "shop")],
        "policies": [
            {
                "vhost": "shop",
                "name": "limit",
                "pattern": "^log",
                "apply-to": "all",
                "priority": 0,
                "definition": {"max-length": 9},
            },
            {
                "vhost": "theirs",
                "name": "ha",
                "pattern": "",
                "apply-to": "queues",
                "priority": 1,
                "definition": {"expires": 5},
            },
        ],
    }


def carried_out(plan: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """The broker after the plan: definitions go on top of what is there, then the calls."""
    keys = {"users": ["name"], "vhosts": ["name"], "permissions": ["user", "vhost"], "policies": ["vhost", "name"]}
    after = copy.deepcopy(actual)
    for kind, key in keys.items():
        merged = {tuple(item[k] for k in key): item for item in [*after.get(kind, []), *plan["import"].get(kind, [])]}
        after[kind] = list(merged.values())
    for verb, *arguments in plan["delete"]:
        if verb == "clear_permissions":
            _, vhost, _, name = arguments
            after["permissions"] = [p for p in after["permissions"] if (p["user"], p["vhost"]) != (name, vhost)]
        else:
            kind, key = ("users", "user") if verb == "delete_user" else ("vhosts", "vhost")
            after[kind] = [item for item in after[kind] if item["name"] != arguments[-1]]
            after["permissions"] = [p for p in after["permissions"] if p[key] != arguments[-1]]
    return after


def test_hash_is_rabbitmqs(topology: ModuleType) -> None:
    """The hash is the one RabbitMQ itself makes."""
    assert topology.password_hash("test12", KNOWN_SALT) == KNOWN_HASH
    assert topology.password_matches("test12", {"password_hash": KNOWN_HASH, "hashing_algorithm": SHA256})


def test_hash_is_salted(topology: ModuleType) -> None:
    """Two users with one password do not show it."""
    assert topology.password_hash("test12") != topology.password_hash("test12")


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"password_hash": "", "hashing_algorithm": SHA256},
        {"password_hash": KNOWN_HASH},
        {"password_hash": KNOWN_HASH, "hashing_algorithm": "rabbit_password_hashing_md5"},
        {"password_hash": KNOWN_HASH[:-4] + "AAAA", "hashing_algorithm": SHA256},
    ],
)
def test_no_match(topology: ModuleType, user: dict[str, str]) -> None:
    """Another hash, another algorithm or none at all is a mismatch."""
    assert not topology.password_matches("test12", user)


def test_other_password(topology: ModuleType) -> None:
    """Another password does not match."""
    assert not topology.password_matches("test13", {"password_hash": KNOWN_HASH, "hashing_algorithm": SHA256})


def test_converged(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Nothing differs, nothing is done; what belongs to others is nothing."""
    assert topology.plan(wanted, converged) == {"import": {}, "delete": [], "changes": {}}


def test_empty_broker(topology: ModuleType, wanted: dict[str, Any]) -> None:
    """Everything is imported, the password as a hash only; what should be absent and is needs no call."""
    plan = topology.plan(wanted, {})
    assert plan["changes"] == {
        "vhost shop": "added",
        "user seller": "added",
        "permission seller on shop": ".* .* .*",
        "policy limit on shop": "added",
    }
    assert plan["delete"] == []
    assert PASSWORD not in str(plan)
    (user,) = plan["import"]["users"]
    assert topology.password_matches(PASSWORD, user)
    assert plan["import"]["policies"][0].items() >= {"apply-to": "all", "priority": 0, "vhost": "shop"}.items()


def test_password_only(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """A new password changes one user and nothing else."""
    wanted["users"]["seller"]["password"] = "another-0123456789"
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"user seller": "changed: password"}
    assert list(plan["import"]) == ["users"]
    assert topology.password_matches("another-0123456789", plan["import"]["users"][0])


def test_tags_only(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """New tags leave the stored hash as it is."""
    wanted["users"]["seller"]["tags"] = ["policymaker", "monitoring"]
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"user seller": "changed: tags"}
    assert plan["import"] == {"users": [converged["users"][0] | {"tags": ["monitoring", "policymaker"]}]}


@pytest.mark.parametrize("tags", ["monitoring,policymaker", ["policymaker", "monitoring"]])
def test_tags_in_any_order(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any], tags: Any) -> None:
    """Order is no difference, nor is the comma-separated form of older brokers."""
    wanted["users"]["seller"]["tags"] = ["monitoring", "policymaker"]
    converged["users"][0]["tags"] = tags
    assert topology.plan(wanted, converged)["changes"] == {}


def test_permission_changed(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Rights that differ are written, each in its place."""
    wanted["users"]["seller"]["permissions"]["shop"] = ["c", "w", "r"]
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"permission seller on shop": "c w r"}
    right = {"user": "seller", "vhost": "shop", "configure": "c", "write": "w", "read": "r"}
    assert plan["import"] == {"permissions": [right]}


def test_permission_removed(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Our user keeps no right that pillar does not give; a stranger keeps his, on our vhost too."""
    wanted["users"]["seller"]["permissions"] = {}
    plan = topology.plan(wanted, converged)
    assert plan["delete"] == [["clear_permissions", "-p", "shop", "--", "seller"]]
    assert plan["changes"] == {"permission seller on shop": "removed"}
    assert plan["import"] == {}


def test_absent(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """What is listed as absent goes; a name that begins with a dash is no option."""
    wanted["absent"] = {"users": ["stranger", "-x"], "vhosts": ["theirs", "never"]}
    converged["users"].append({"name": "-x"})
    plan = topology.plan(wanted, converged)
    assert plan["delete"] == [["delete_user", "--", "stranger"], ["delete_user", "--", "-x"], ["delete_vhost", "--", "theirs"]]
    assert plan["changes"] == {"user stranger": "removed", "user -x": "removed", "vhost theirs": "removed"}


@pytest.mark.parametrize(
    "difference", [{"pattern": "^x"}, {"definition": {"max-length": 1}}, {"priority": 3}, {"apply-to": "queues"}]
)
def test_policy_changed(
    topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any], difference: dict[str, Any]
) -> None:
    """Any part of a policy counts."""
    wanted["policies"]["shop"]["limit"] |= difference
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"policy limit on shop": "changed"}
    assert plan["import"]["policies"] == [converged["policies"][0] | difference]


@pytest.mark.parametrize("broken", ["nothing", "empty", "users", "vhosts", "permissions", "policies", "password", "guest"])
def test_second_plan_is_empty(topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any], broken: str) -> None:
    """Whatever was missing or wrong: carried out once, the plan has nothing left to do, and strangers are there still."""
    before = {} if broken == "empty" else converged
    if broken in converged:
        converged[broken] = [item for item in converged[broken] if "theirs" in item.values() or "stranger" in item.values()]
    elif broken == "password":
        converged["users"][0]["password_hash"] = KNOWN_HASH
    elif broken == "guest":
        converged["users"].append({"name": "guest", "tags": ["administrator"]})
        converged["permissions"].append({"user": "guest", "vhost": "/", "configure": "", "write": "", "read": ""})
    first = topology.plan(wanted, before)
    assert bool(first["changes"]) == (broken != "nothing")
    after = carried_out(first, before)
    assert topology.plan(wanted, after) == {"import": {}, "delete": [], "changes": {}}
    assert [u for u in before.get("users", []) if u["name"] == "stranger"] == [
        u for u in after["users"] if u["name"] == "stranger"
    ]


def test_node(topology: ModuleType, tmp_path: Path) -> None:
    """A broker that has one database keeps its node's name; with none or several the default holds."""
    topology.DATABASES = tmp_path / "mnesia"
    assert topology.node("rabbit@localhost") == "rabbit@localhost"
    for name in ("rabbit@old", "rabbit@old-plugins-expand"):
        (tmp_path / "mnesia" / name).mkdir(parents=True)
    (tmp_path / "mnesia" / "rabbit@old.pid").touch()
    assert topology.node("rabbit@localhost") == "rabbit@old"
    (tmp_path / "mnesia" / "rabbit@new").mkdir()
    assert topology.node("rabbit@localhost") == "rabbit@localhost"


@pytest.fixture
def node(topology: ModuleType, tmp_path: Path) -> Callable[..., ModuleType]:
    """Gives the module a node whose erl_call is the given shell script; rabbitmqctl is asked without starting it."""

    def make(script: str, *, database: str = "rabbit@old") -> ModuleType:
        topology.DATABASES = tmp_path / "mnesia"
        (topology.DATABASES / database).mkdir(parents=True)
        topology.ERL_CALL = str(tmp_path / "erl_call")
        (tmp_path / "erl_call").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "erl_call").chmod(0o755)
        topology.AS_RABBITMQ = {"cwd": str(tmp_path)}
        topology.DEFINITIONS = tmp_path / "run" / "definitions.json"
        topology.DEFINITIONS.parent.mkdir()
        topology.given = []
        topology.shutil = SimpleNamespace(chown=lambda path, *owner: topology.given.append((str(path), owner)))
        topology.calls = []
        topology.ctl = lambda *arguments: topology.calls.append(" ".join(arguments)) or '{"users": "of rabbitmqctl"}'
        return topology

    return make


EXPORTED = {"users": [{"name": "ümlaut"}], "vhosts": [], "permissions": []}


def answer(value: Any) -> str:
    """As the broker writes it."""
    return "printf %s " + base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()


def test_read(node: Callable[..., ModuleType], tmp_path: Path) -> None:
    """The node itself is asked, by its name; no Erlang is started."""
    topology = node(f'echo "$@" >asked; cat >>asked; {answer(EXPORTED)}')
    assert topology.read() == EXPORTED
    assert topology.calls == []
    options, expression = (tmp_path / "asked").read_text().splitlines()
    assert "-sname rabbit@old " in options
    assert "all_definitions()" in expression


@pytest.mark.parametrize(
    "script",
    [
        "exit 1",
        "true",
        "echo not base64",
        "printf %s bm90IEpTT04=",
        answer([]),
        answer({}),
        answer({"users": []}),
        f"{answer(EXPORTED)}; exit 1",
        f"{answer(EXPORTED)} | head -c 40",
    ],
)
def test_read_without_an_answer(node: Callable[..., ModuleType], script: str) -> None:
    """A node that does not answer, or not with all of it, is asked again through rabbitmqctl, whose word counts."""
    topology = node(script)
    assert topology.read() == {"users": "of rabbitmqctl"}
    assert topology.calls == ["export_definitions -"]


def test_read_without_erl_call(node: Callable[..., ModuleType]) -> None:
    """Without erl_call, or without a name to call, it is rabbitmqctl that is asked."""
    topology = node("true")
    topology.ERL_CALL += "-missing"
    topology.read()
    (topology.DATABASES / "rabbit@other").mkdir()
    topology.ERL_CALL = topology.ERL_CALL.removesuffix("-missing")
    topology.read()
    assert topology.calls == ["export_definitions -"] * 2


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_node_that_hangs(node: Callable[..., ModuleType], verb: str) -> None:
    """A node that does not come to an end is asked through rabbitmqctl as well."""

    def run(command: list[str], timeout: int, **_options: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    topology = node("true")
    topology.subprocess = SimpleNamespace(run=run, SubprocessError=subprocess.SubprocessError)
    topology.read() if verb == "read" else topology.write(PLAN).result()
    assert [call.split()[0] for call in topology.calls] == ["export_definitions" if verb == "read" else "import_definitions"]


PLAN = {"import": EXPORTED, "delete": []}
# Notes what it is to evaluate, and the file that is named there.
IMPORTS = """
cat >asked
path=$(sed 's/.*read_file("//; s/").*//' asked)
stat -c %a "$path" >mode
cp "$path" got
"""


def test_write(node: Callable[..., ModuleType], tmp_path: Path) -> None:
    """The node itself imports from a file that only the broker can read, and that is gone afterwards."""
    topology = node(f"{IMPORTS} printf imported")
    topology.write(PLAN).result()
    assert topology.calls == []
    assert "rabbit_definitions:import_raw(Json)" in (tmp_path / "asked").read_text()
    assert "{{" not in (tmp_path / "asked").read_text()
    assert json.loads((tmp_path / "got").read_text()) == EXPORTED
    assert (tmp_path / "mode").read_text() == "600\n"
    ((path, owner),) = topology.given
    assert f'read_file("{path}")' in (tmp_path / "asked").read_text()
    assert owner == ("rabbitmq", "rabbitmq")
    assert not Path(path).exists()


@pytest.mark.parametrize(
    "script", ["exit 1", "true", "echo imported not", "printf imported; exit 1", "echo imported >&2", None]
)
def test_write_without_an_answer(node: Callable[..., ModuleType], tmp_path: Path, script: str | None) -> None:
    """A node that does not say that it has imported is told through rabbitmqctl, whose failure counts; no file is left."""

    def ctl(verb: str, path: str) -> None:
        assert json.loads(Path(path).read_text()) == EXPORTED
        assert Path(path).stat().st_mode & 0o777 == 0o600
        topology.calls.append(verb)
        if len(topology.calls) == 2:
            raise CommandExecutionError("rabbitmqctl import_definitions: Error")

    topology = node(script or "printf imported")
    if script is None:
        (topology.DATABASES / "rabbit@other").mkdir()  # without a name there is nobody to call
    topology.ctl = ctl
    topology.write(PLAN).result()
    with pytest.raises(CommandExecutionError, match=r"^rabbitmqctl import_definitions: Error$"):
        topology.write(PLAN).result()
    assert topology.calls == ["import_definitions"] * 2
    assert not topology.DEFINITIONS.exists()


@pytest.mark.parametrize("test", [True, False])
def test_file_of_a_killed_run(node: Callable[..., ModuleType], test: bool) -> None:
    """What a killed run left for the broker to read goes with the next; a preview leaves it, a run may be writing it."""
    topology = node(answer(EXPORTED))
    topology.__opts__ = {"test": test}
    topology.DEFINITIONS.touch()
    topology.read()
    assert topology.DEFINITIONS.exists() is test


def test_write_deletes_last(node: Callable[..., ModuleType]) -> None:
    """Nobody is without a user in between: what is new is there before what is old goes; and each may be missing."""
    topology = node("exit 1")
    calls = [["delete_user", "--", "guest"], ["clear_permissions", "-p", "/", "--", "seller"]]
    topology.write({"import": EXPORTED, "delete": calls}).result()
    assert [call.split()[0] for call in topology.calls] == ["import_definitions", "delete_user", "clear_permissions"]
    topology.write({"import": {}, "delete": calls}).result()
    assert [call.split()[0] for call in topology.calls[3:]] == ["delete_user", "clear_permissions"]


class Broker:
    """Stands for the execution module's calls of rabbitmqctl."""

    def __init__(self, topology: ModuleType, pillar: dict[str, Any], actual: dict[str, Any] | None) -> None:
        self.actual, self.did = actual, []
        self.error: CommandExecutionError | None = None
        self.context: dict[str, Any] = {}
        self.salt = {
            "pillar.get": lambda _key, _default, unmask: pillar,
            "rabbitmq_topology.installed": lambda: actual is not None,
            "rabbitmq_topology.read": self.read,
            "rabbitmq_topology.plan": topology.plan,
            "rabbitmq_topology.write": self.write,
            "rabbitmq_topology.ctl": self.ctl,
        }

    def write(self, plan: dict[str, Any]) -> Future[None]:
        """Notes the plan; how it ends is `self.error`."""
        self.did += ["import " + " ".join(plan["import"]), *(" ".join(call) for call in plan["delete"])]
        writing: Future[None] = Future()
        writing.set_exception(self.error) if self.error else writing.set_result(None)
        return writing

    def state(self, load: Callable[..., ModuleType], test: bool) -> ModuleType:
        """The state module that talks to it."""
        return load("_states/rabbitmq_topology", __salt__=self.salt, __context__=self.context, __opts__={"test": test})

    def read(self) -> dict[str, Any]:
        """Definitions, of a started application only."""
        if "stopped" in self.actual:
            raise CommandExecutionError("rabbitmqctl export_definitions: Error: the application is stopped")
        return self.actual

    def ctl(self, *arguments: str) -> None:
        """Notes the call."""
        self.did.append(" ".join(arguments))
        if arguments[0] == "start_app":
            del self.actual["stopped"]


def test_state_previews_a_bare_host(load: Callable[..., ModuleType], topology: ModuleType, wanted: dict[str, Any]) -> None:
    """Where there is no broker yet, a preview names all that comes, without asking one."""
    broker = Broker(topology, wanted, None)
    result = load(
        "_states/rabbitmq_topology", __salt__=broker.salt, __context__=broker.context, __opts__={"test": True}
    ).managed("rabbitmq")
    assert result["result"] is None
    assert "user seller" in result["changes"]
    assert broker.did == []
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("test", [True, False])
def test_state_changes(
    load: Callable[..., ModuleType], topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """A preview says what the run does, and does nothing; the run imports before it deletes."""
    converged["users"][0]["name"] = "guest"
    broker = Broker(topology, wanted, converged)
    result = load(
        "_states/rabbitmq_topology", __salt__=broker.salt, __context__=broker.context, __opts__={"test": test}
    ).managed("rabbitmq")
    assert result["result"] is (None if test else True)
    assert result["changes"] == {"user seller": "added", "user guest": "removed"}
    assert broker.did == ([] if test else ["import users", "delete_user -- guest"])
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("test", [True, False])
def test_state_starts_the_application(
    load: Callable[..., ModuleType], topology: ModuleType, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """`rabbitmqctl stop_app` is drift, too."""
    broker = Broker(topology, wanted, converged | {"stopped": True})
    result = load(
        "_states/rabbitmq_topology", __salt__=broker.salt, __context__=broker.context, __opts__={"test": test}
    ).managed("rabbitmq")
    assert result["result"] is (None if test else True)
    assert "start" in result["changes"].pop("application")
    assert result["changes"] == {}  # what a preview cannot see it does not guess
    assert broker.did == ([] if test else ["start_app", "await_startup --timeout 120"])


def test_state_minimal_pillar(load: Callable[..., ModuleType], topology: ModuleType, converged: dict[str, Any]) -> None:
    """Keys that pillar leaves out ask for nothing."""
    broker = Broker(topology, {"absent": {"users": ["guest"]}}, converged)
    result = load(
        "_states/rabbitmq_topology", __salt__=broker.salt, __context__=broker.context, __opts__={"test": False}
    ).managed("rabbitmq")
    assert (result["result"], result["changes"], broker.did) == (True, {}, [])


@pytest.mark.parametrize("error", [None, CommandExecutionError("rabbitmqctl import_definitions: Error")])
def test_state_written(
    load: Callable[..., ModuleType],
    topology: ModuleType,
    wanted: dict[str, Any],
    converged: dict[str, Any],
    error: CommandExecutionError | None,
) -> None:
    """What was begun is waited for, once, and a failure is the state's; where nothing was begun there is nothing to say."""
    broker = Broker(topology, wanted, converged)
    state = broker.state(load, test=False)
    assert state.managed("rabbitmq")["changes"] == {}
    assert state.written("rabbitmq")["comment"] == "There was nothing to write."
    converged["users"][0]["tags"] = ["administrator"]
    broker.error = error
    assert state.managed("rabbitmq")["changes"] == {"user seller": "changed: tags"}
    result = state.written("rabbitmq")
    assert (result["result"], result["comment"]) == ((True, "It is written.") if error is None else (False, str(error)))
    assert state.written("rabbitmq")["comment"] == "There was nothing to write."
