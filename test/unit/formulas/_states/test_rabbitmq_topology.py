"""The broker's topology: what a run changes, and what a preview says of it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import brokers
from brokers import PASSWORD


@pytest.fixture
def topology(load: Callable[..., Any]) -> Any:
    """The execution module."""
    return load("_utils/rabbitmq_topology", __opts__={"test": False})


@pytest.fixture
def wanted() -> dict[str, Any]:
    """Pillar of one user on one vhost."""
    return brokers.wanted()


@pytest.fixture
def converged(topology: Any) -> dict[str, Any]:
    """What such a broker exports, with things of somebody else's in it."""
    return brokers.converged(topology.password_hash)


class Broker:
    """Stands for the execution module's calls of rabbitmqctl."""

    def __init__(self, topology: Any, pillar: dict[str, Any], actual: dict[str, Any] | None) -> None:
        self.actual: Any = actual
        self.did: list[Any] = []
        self.error: CommandExecutionError | None = None
        self.context: dict[str, Any] = {}
        self.salt = {
            "settings.get": lambda _formula, unmask: pillar,
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

    def state(self, load: Callable[..., Any], test: bool) -> Any:
        """The state module that talks to it."""
        return load(
            "_states/rabbitmq_topology",
            __salt__=self.salt,
            __utils__=self.salt,
            __context__=self.context,
            __opts__={"test": test},
        )

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


def test_state_previews_a_bare_host(load: Callable[..., Any], topology: Any, wanted: dict[str, Any]) -> None:
    """Where there is no broker yet, a preview names all that comes, without asking one."""
    broker = Broker(topology, wanted, None)
    result = load(
        "_states/rabbitmq_topology",
        __salt__=broker.salt,
        __utils__=broker.salt,
        __context__=broker.context,
        __opts__={"test": True},
    ).managed("rabbitmq")
    assert result["result"] is None
    assert "user seller" in result["changes"]
    assert broker.did == []
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("test", [True, False])
def test_state_changes(
    load: Callable[..., Any], topology: Any, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """A preview says what the run does, and does nothing; the run imports before it deletes."""
    converged["users"][0]["name"] = "guest"
    broker = Broker(topology, wanted, converged)
    result = load(
        "_states/rabbitmq_topology",
        __salt__=broker.salt,
        __utils__=broker.salt,
        __context__=broker.context,
        __opts__={"test": test},
    ).managed("rabbitmq")
    assert result["result"] is (None if test else True)
    assert result["changes"] == {"user seller": "added", "user guest": "removed"}
    assert broker.did == ([] if test else ["import users", "delete_user -- guest"])
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("test", [True, False])
def test_state_starts_the_application(
    load: Callable[..., Any], topology: Any, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """`rabbitmqctl stop_app` is drift, too."""
    broker = Broker(topology, wanted, converged | {"stopped": True})
    result = load(
        "_states/rabbitmq_topology",
        __salt__=broker.salt,
        __utils__=broker.salt,
        __context__=broker.context,
        __opts__={"test": test},
    ).managed("rabbitmq")
    assert result["result"] is (None if test else True)
    assert "start" in result["changes"].pop("application")
    assert result["changes"] == {}  # what a preview cannot see it does not guess
    assert broker.did == ([] if test else ["start_app", "await_startup --timeout 120"])


def test_state_minimal_pillar(load: Callable[..., Any], topology: Any, converged: dict[str, Any]) -> None:
    """Keys that pillar leaves out ask for nothing."""
    broker = Broker(topology, {"absent": {"users": ["guest"]}}, converged)
    result = load(
        "_states/rabbitmq_topology",
        __salt__=broker.salt,
        __utils__=broker.salt,
        __context__=broker.context,
        __opts__={"test": False},
    ).managed("rabbitmq")
    assert (result["result"], result["changes"], broker.did) == (True, {}, [])


@pytest.mark.parametrize("error", [None, CommandExecutionError("rabbitmqctl import_definitions: Error")])
def test_state_written(
    load: Callable[..., Any],
    topology: Any,
    wanted: dict[str, Any],
    converged: dict[str, Any],
    error: CommandExecutionError | None,
) -> None:
    """What was begun is waited for, once, and a failure is the state's; where nothing was begun there is nothing to
    say.
    """
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
