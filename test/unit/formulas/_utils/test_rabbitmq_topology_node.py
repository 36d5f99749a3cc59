"""The broker's node: its name, and how it is asked and written to."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError


@pytest.fixture
def topology(load: Callable[..., Any]) -> Any:
    """The execution module."""
    return load("_utils/rabbitmq_topology", __opts__={"test": False})


@pytest.fixture
def node(topology: Any, tmp_path: Path) -> Callable[..., Any]:
    """Gives the module a node whose erl_call is the given shell script; rabbitmqctl is asked without starting it."""

    def make(script: str, *, database: str = "rabbit@old") -> Any:
        topology.rabbitmq_node = SimpleNamespace(name=lambda default: database or default)
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


def test_read(node: Callable[..., Any], tmp_path: Path) -> None:
    """The node itself is asked, by its name; no Erlang is started."""
    topology = node(f'echo "$@" >asked; cat >>asked; {answer(EXPORTED)}')
    assert topology.read() == EXPORTED
    assert topology.calls == []
    options, expression = (tmp_path / "asked").read_text().splitlines()
    assert "-sname rabbit@old " in options
    assert "all_definitions()" in expression


def test_long_name(node: Callable[..., Any], tmp_path: Path) -> None:
    """A node whose host has a domain is asked by its long name, and rabbitmqctl is given the name."""
    topology = node(f'echo "$@" >asked; {answer(EXPORTED)}', database="bunny@here.example")
    assert topology.read() == EXPORTED
    assert (tmp_path / "asked").read_text().startswith("-name bunny@here.example -h")


@pytest.mark.parametrize(("name", "options"), [("rabbit@old", ""), ("rabbit@here.example", "--longnames "), ("", None)])
def test_ctl(topology: Any, tmp_path: Path, name: str, options: str | None) -> None:
    """rabbitmqctl asks the node that is here, whatever the host is called now."""
    topology.rabbitmq_node = SimpleNamespace(name=lambda default: name or default)
    topology.RABBITMQCTL, topology.AS_RABBITMQ = str(tmp_path / "ctl"), {}
    (tmp_path / "ctl").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "ctl").chmod(0o755)
    asked = f"{options}--node {name} " if name else ""
    assert topology.ctl("list_users") == f"--quiet {asked}list_users\n"


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
def test_read_without_an_answer(node: Callable[..., Any], script: str) -> None:
    """A node that does not answer, or not with all of it, is asked again through rabbitmqctl, whose word counts."""
    topology = node(script)
    assert topology.read() == {"users": "of rabbitmqctl"}
    assert topology.calls == ["export_definitions -"]


def test_read_without_erl_call(node: Callable[..., Any]) -> None:
    """Without erl_call, or without a name to call, it is rabbitmqctl that is asked."""
    topology = node("true")
    topology.ERL_CALL += "-missing"
    topology.read()
    topology.rabbitmq_node.name = str
    topology.ERL_CALL = topology.ERL_CALL.removesuffix("-missing")
    topology.read()
    assert topology.calls == ["export_definitions -"] * 2


@pytest.mark.parametrize("verb", ["read", "write"])
def test_a_node_that_hangs(node: Callable[..., Any], verb: str) -> None:
    """A node that does not come to an end is asked through rabbitmqctl as well."""

    def run(command: list[str], timeout: int, **_options: Any) -> None:
        raise TimeoutError(f"{command[0]} gave no answer in {timeout} s")

    topology = node("true")
    topology.programs = SimpleNamespace(run=run)
    topology.read() if verb == "read" else topology.write(PLAN).result()
    assert [call.split()[0] for call in topology.calls] == [
        "export_definitions" if verb == "read" else "import_definitions"
    ]


PLAN = {"import": EXPORTED, "delete": []}
# Notes what it is to evaluate, and the file that is named there.
IMPORTS = """
cat >asked
path=$(sed 's/.*read_file("//; s/").*//' asked)
stat -c %a "$path" >mode
cp "$path" got
"""


def test_write(node: Callable[..., Any], tmp_path: Path) -> None:
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
def test_write_without_an_answer(node: Callable[..., Any], tmp_path: Path, script: str | None) -> None:
    """A node that does not say that it has imported is asked through rabbitmqctl, whose failure counts; no file is
    left.
    """

    def ctl(verb: str, path: str) -> None:
        assert json.loads(Path(path).read_text()) == EXPORTED
        assert Path(path).stat().st_mode & 0o777 == 0o600
        made.calls.append(verb)
        if len(made.calls) == 2:
            raise CommandExecutionError("rabbitmqctl import_definitions: Error")

    made: Any = node(script or "printf imported")
    if script is None:
        made.rabbitmq_node.name = str  # without a name there is no one to call
    made.ctl = ctl
    made.write(PLAN).result()
    with pytest.raises(CommandExecutionError, match=r"^rabbitmqctl import_definitions: Error$"):
        made.write(PLAN).result()
    assert made.calls == ["import_definitions"] * 2
    assert not made.DEFINITIONS.exists()


@pytest.mark.parametrize("test", [True, False])
def test_file_of_a_killed_run(node: Callable[..., Any], test: bool) -> None:
    """What a killed run left for the broker to read goes with the next; a preview leaves it, a run may be writing
    it.
    """
    topology = node(answer(EXPORTED))
    topology.__opts__ = {"test": test}
    topology.DEFINITIONS.touch()
    topology.read()
    assert topology.DEFINITIONS.exists() is test


def test_write_deletes_last(node: Callable[..., Any]) -> None:
    """No one is without a user in between: what is new is there before what is old goes; and each may be missing."""
    topology = node("exit 1")
    calls = [["delete_user", "--", "guest"], ["clear_permissions", "-p", "/", "--", "seller"]]
    topology.write({"import": EXPORTED, "delete": calls}).result()
    assert [call.split()[0] for call in topology.calls] == ["import_definitions", "delete_user", "clear_permissions"]
    topology.write({"import": {}, "delete": calls}).result()
    assert [call.split()[0] for call in topology.calls[3:]] == ["delete_user", "clear_permissions"]
