"""Every role renders for every system and init, without a host."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SYSTEMS = {
    "debian12": {"os": "Debian", "osrelease": "12", "osmajorrelease": 12, "oscodename": "bookworm"},
    "debian13": {"os": "Debian", "osrelease": "13", "osmajorrelease": 13, "oscodename": "trixie"},
    "ubuntu2404": {"os": "Ubuntu", "osrelease": "24.04", "osmajorrelease": 24, "oscodename": "noble"},
}
INITS = {"systemd": "systemd", "none": "unknown"}
# What pillar says of each.
ROLES = {
    "master": {"phagescan": {"roles": ["master"]}},
    "worker": {"phagescan": {"roles": ["worker"]}},
    "both": {},
    "tls": {
        "phagescan": {"tls": {"self_signed": True}, "engines": {"clamav": {}}},
        "rabbitmq": {"listen": "0.0.0.0"},  # noqa: S104
    },
}
# A worker of another name, which removes samples.
SWEEPER = {"role": "master", "config": "periodicceleryconfig", "hostname": "master.sweeper"}
REQUISITES = ("require", "watch", "onchanges", "onfail", "listen", "prereq")
CASES = list(product(SYSTEMS, INITS, ROLES))
ROLES["sweeper"] = {"celery": {"workers": {"sweeper": SWEEPER}}}
CASES.append(SWEEPING := ("debian13", "systemd", "sweeper"))
PASSWORDS = {
    "rabbitmq": {"users": {name: {"password": f"render-{name}-0123456789"} for name in ("phagemasteruser", "phageworkeruser")}},
    "postgresql": {"roles": {"citestsuper": {"password": "render-citestsuper-0123456789"}}},
    "phagescan": {
        "admin": {"user": "admin", "password": "render-admin-0123456789"},
        "secret_key": "render-secret-key-" + "0123456789" * 4,
    },
}


def render(folder: Path, system: str, init: str, role: str) -> Any:
    """What state.show_highstate says on a minion with these grains."""
    config = yaml.safe_load((ROOT / "roots/minion/minion").read_text())
    config |= {
        "file_roots": {"base": [str(ROOT / name) for name in ("salt", "formulas", "roots")]},
        "pillar_roots": {"base": [str(folder.parent / "pillar")]},
        "module_dirs": [str(folder.parent / "modules")],
        "root_dir": str(folder),
        "cachedir": str(folder / "cache"),
        "pki_dir": str(folder / "pki"),
        "log_file": str(folder / "log"),
        "grains": {
            **SYSTEMS[system],
            "os_family": "Debian",
            "osfinger": f"{SYSTEMS[system]['os']}-{SYSTEMS[system]['osrelease']}",
            "osfullname": SYSTEMS[system]["os"],
            "init": INITS[init],
        },
    }
    folder.mkdir()
    (folder / "minion").write_text(yaml.safe_dump(config))
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "salt-call",
            f"--config-dir={folder}",
            "--local",
            "--out=json",
            "state.show_highstate",
            f"pillar={json.dumps(ROLES[role])}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.stdout.startswith("{"), ran.stdout + ran.stderr
    highstate = json.loads(ran.stdout)["local"]
    if isinstance(highstate, dict):
        highstate.pop("__extend__", None)
    return highstate


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], Any]:
    """All cases, two at a time."""
    base = tmp_path_factory.mktemp("render")
    shutil.copytree(ROOT / "pillar", base / "pillar", ignore=shutil.ignore_patterns("credentials.sls"))
    credentials = base / "pillar" / "credentials.sls"
    credentials.write_text(yaml.safe_dump(PASSWORDS))
    credentials.chmod(0o600)
    # What the machine that renders has is not the subject: its PostgreSQL clusters, its ports, its memory.
    shutil.copytree(ROOT / "salt", base / "modules", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (base / "modules").glob("_*/*.py"):
        module.write_text(re.sub(r'Path\("/(etc|usr|var)/', rf'Path("{base}/\1/', module.read_text()))
    (base / "modules/_utils/preflight.py").write_text("def faults(*_arguments):\n    return []\n")
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda case: render(base / "-".join(case), *case), CASES)
        return dict(zip(CASES, results, strict=True))


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
                            (module.partition(".")[0], name if isinstance(name, str) else next(iter(name))) for name in names
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
                            module_name, name = next(iter(target.items())) if isinstance(target, dict) else ("id", target)
                            if (module_name, name) not in known:
                                missing.append(f"{identifier}: {kind} {module_name}: {name}")
    assert not missing


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_no_password_is_rendered(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """No state carries a password among its arguments: states come out in logs."""
    assert "render-" not in json.dumps(rendered[case])


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_no_recommendations(rendered: dict[tuple[str, ...], Any], case: tuple[str, ...]) -> None:
    """No package brings what it recommends: aggregation takes the option from whichever state comes first."""
    installing = {name: body["pkg"] for name, body in rendered[case].items() if "installed" in body.get("pkg", ())}
    assert "application-python" in installing
    assert ("application-clamav" in installing) == (case[2] == "tls")
    assert not [name for name, arguments in installing.items() if {"install_recommends": False} not in arguments]


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
    """A host has the services of its roles, and none of the others'."""
    states, text = rendered[case], json.dumps(rendered[case])
    assert ("rabbitmq-server" in text) == ("master.toml.jinja" in text) == (case[2] != "worker")
    assert ("running" in states["celery-celeryd-service"]["daemon"]) == ("worker.toml.jinja" in text) == (case[2] != "master")
    assert ("running" in states["celery-celeryd-master-service"]["daemon"]) == (case[2] != "worker")


def test_samples_are_writable(rendered: dict[tuple[str, ...], Any]) -> None:
    """To what receives and removes them, by whatever name, and to no other service."""
    for case, more in ((("debian13", "systemd", "both"), []), (SWEEPING, ["sweeper"])):
        arguments = rendered[case]["application-samples-writable"]["file"]
        names = next(argument["names"] for argument in arguments if "names" in argument)
        services = ["gunicorn", "celeryd-periodic", *more]
        assert sorted(names) == sorted(f"/etc/systemd/system/{service}.service.d/samples.conf" for service in services)
