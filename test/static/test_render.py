"""Every role renders for every system and init, without a host."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from picture import PICTURE, picture
from rendering import CASES, SWEEPING, SYSTEMS, render

# One worker of pytest-xdist: what is made once serves all of them.
pytestmark = pytest.mark.xdist_group("render")

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.prefix) / "bin"
REQUISITES = ("require", "watch", "onchanges", "onfail", "listen", "prereq")


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Any]:
    """The highstate of each case."""
    cases = render(ROOT, tmp_path_factory.mktemp("render"))
    return {case: rendered["highstate"] for case, rendered in cases.items()}


def identifiers(highstate: dict[str, Any]) -> set[tuple[str, str]]:
    """What a requisite can name: (module, ID), (module, name) and (sls, name)."""
    known = set()
    for identifier, body in highstate.items():
        known |= {("sls", body["__sls__"]), ("id", identifier)}
        for module, arguments in body.items():
            if not module.startswith("__"):
                known.add((module.partition(".")[0], identifier))
                for argument in arguments:
                    if isinstance(argument, dict):
                        names = [argument["name"]] if "name" in argument else argument.get("names", [])
                        known |= {
                            (module.partition(".")[0], name if isinstance(name, str) else next(iter(name)))
                            for name in names
                        }
    return known


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_renders(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """The role becomes states, and none of them is a fault."""
    highstate = rendered[case]
    assert isinstance(highstate, dict), "\n".join(highstate)
    assert len(highstate) > 5
    assert not [name for name in highstate if name.startswith("phagescan-fault")]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_requisites_exist(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """Whatever a state requires or watches is there."""
    highstate = rendered[case]
    known = identifiers(highstate)
    missing = []
    for identifier, body in highstate.items():
        for module, arguments in body.items():
            for argument in arguments if isinstance(arguments, list) and not module.startswith("__") else []:
                for kind, targets in argument.items() if isinstance(argument, dict) else ():
                    if kind.removesuffix("_in").removesuffix("_any") in REQUISITES:
                        for target in targets:
                            module_name, name = (
                                next(iter(target.items())) if isinstance(target, dict) else ("id", target)
                            )
                            if (module_name, name) not in known:
                                missing.append(f"{identifier}: {kind} {module_name}: {name}")
    assert not missing


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_no_password_is_rendered(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """No state carries a password among its arguments: states come out in logs."""
    assert "render-" not in json.dumps(rendered[case])


@pytest.mark.parametrize("system", SYSTEMS)
def test_init_decides(rendered: dict[tuple[str, ...], Any], system: str) -> None:
    """Units are written with systemd, init scripts without, and never both."""
    with_systemd = json.dumps(rendered[system, "systemd", "master"])
    without = json.dumps(rendered[system, "none", "master"])
    assert "/etc/systemd/system/celeryd-master.service" in with_systemd
    assert "/etc/init.d/celeryd-master" not in with_systemd
    assert "/etc/init.d/celeryd-master" in without
    assert "/etc/systemd/system/" not in without


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_role_decides(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """A host has the services of its roles, and none of the others'; what was never here is not removed."""
    states, text = rendered[case], json.dumps(rendered[case])
    assert ("rabbitmq-server" in text) == ("master.toml.jinja" in text) == (case[2] != "worker")
    assert ("celery-celeryd-service" in states) == ("worker.toml.jinja" in text) == (case[2] != "master")
    assert ("celery-celeryd-master-service" in states) == (case[2] != "worker")


def test_samples_are_writable(rendered: dict[tuple[str, ...], Any]) -> None:
    """To what receives and removes them, by whatever name, and to no other service."""
    for case, more in ((("debian13", "systemd", "both"), []), (SWEEPING, ["sweeper"])):
        arguments = rendered[case]["application-samples-writable"]["file"]
        names = next(argument["names"] for argument in arguments if "names" in argument)
        services = ["gunicorn", "celeryd-periodic", *more]
        assert sorted(names) == sorted(f"/etc/systemd/system/{service}.service.d/samples.conf" for service in services)


def test_init_scripts(tmp_path: Path) -> None:
    """Those that templates make are free of what shellcheck finds."""
    case = ("debian13", "none", "both")
    files = render(ROOT, tmp_path, [case], files=True)[case]["files"]
    scripts = {name: content for name, content in files.items() if name.startswith("/etc/init.d/")}
    assert len(scripts) == 6
    for name, content in scripts.items():
        # SC1090, SC1091: what they source is on the host.
        command = [str(TOOLS / "shellcheck"), "--exclude=SC1090,SC1091", "-"]
        checked = subprocess.run(command, input=content, capture_output=True, text=True)
        assert checked.returncode == 0, f"{name}\n{checked.stdout}"


def test_picture() -> None:
    """The picture of the README is of this tree: test/picture.py draws it."""
    assert PICTURE.read_text() == picture()
