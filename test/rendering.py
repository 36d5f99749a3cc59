"""Renders a tree for each role, system and init: its highstate, and the files of file.managed. Needs no host.

Salt runs in a process of its own, which loads it once and forks for each case; it reads the cases from standard input.
"""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import yaml

Case = tuple[str, str, str]

SYSTEMS: dict[str, dict[str, Any]] = {
    "debian12": {"os": "Debian", "osrelease": "12", "osmajorrelease": 12, "oscodename": "bookworm"},
    "debian13": {"os": "Debian", "osrelease": "13", "osmajorrelease": 13, "oscodename": "trixie"},
    "ubuntu2404": {"os": "Ubuntu", "osrelease": "24.04", "osmajorrelease": 24, "oscodename": "noble"},
}
# Where our modules are.
TREES = ("salt", "formulas")
INITS = {"systemd": "systemd", "none": "unknown"}
# What pillar says of each.
ROLES: dict[str, dict[str, Any]] = {
    "master": {"phagescan": {"roles": ["master"]}},
    "worker": {"phagescan": {"roles": ["worker"], "worker": {"master_url": "http://127.0.0.1:9000"}}},
    "both": {},
    "tls": {
        "phagescan": {"tls": {"self_signed": True}, "engines": {"clamav": {}}},
        "rabbitmq": {"listen": "0.0.0.0"},  # noqa: S104
    },
}
CASES: list[Case] = list(product(SYSTEMS, INITS, ROLES))
# A worker of another name, which removes samples.
SWEEPER = {"role": "master", "config": "periodicceleryconfig", "hostname": "master.sweeper"}
ROLES["sweeper"] = {"celery": {"workers": {"sweeper": SWEEPER}}}
SWEEPING: Case = ("debian13", "systemd", "sweeper")
CASES.append(SWEEPING)
# In place of the credentials, which stay unread.
PASSWORDS = {
    "rabbitmq": {
        "users": {
            "phagemasteruser": {"password": "render-phagemasteruser-0123456789"},
            "phageworkeruser": {"password": "render-phageworkeruser-0123456789"},
        },
    },
    "postgresql": {"roles": {"citestsuper": {"password": "render-citestsuper-0123456789"}}},
    "phagescan": {
        "admin": {"user": "admin", "password": "render-admin-0123456789"},
        "secret_key": "render-secret-key-" + "0123456789" * 4,
    },
}


def render(root: Path, folder: Path, cases: Iterable[Case] = CASES, files: bool = False) -> dict[Case, dict[str, Any]]:
    """Each case's `highstate`, as state.show_highstate says it, or the list of its faults.

    With files, also the content of its `files` by their paths, and the `order` in which its states are run.
    """
    prepare(root, folder)
    asked = json.dumps([list(cases), files])
    command = [sys.executable, __file__, str(root), str(folder)]
    # So that Salt is compiled once, and not by each process.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    answer = subprocess.check_output(command, input=asked, cwd=folder, env=environment, text=True)
    return {tuple(case): rendered for case, rendered in json.loads(answer)}


def prepare(root: Path, folder: Path) -> None:
    """Write what every case reads: pillar with marked passwords, and modules that do not look at this machine."""
    shutil.copytree(root / "pillar", folder / "pillar", ignore=shutil.ignore_patterns("credentials.sls", "local.sls"))
    credentials = folder / "pillar" / "credentials.sls"
    credentials.write_text(yaml.safe_dump(PASSWORDS))
    credentials.chmod(0o600)
    # What the machine that renders has is not the subject: its PostgreSQL clusters, its ports, its memory.
    for tree in TREES:
        for source in (root / tree).glob("_*"):
            shutil.copytree(
                source, folder / "modules" / tree / source.name, ignore=shutil.ignore_patterns("__pycache__")
            )
    for module in (folder / "modules").rglob("*.py"):
        module.write_text(re.sub(r'Path\("/(etc|usr|var)/', rf'Path("{folder}/\1/', module.read_text()))
    for name in ("host", "listening", "archive"):
        (folder / f"modules/salt/_utils/checks/{name}.py").write_text("CHECKS = ()\n")


def configuration(root: Path, folder: Path, case: Case) -> dict[str, Any]:
    """The minion's configuration, on a host of this system and init."""
    system, init, _ = case
    own = folder / "-".join(case)
    return yaml.safe_load((root / "roots/minion/minion").read_text()) | {
        "file_roots": {"base": [str(root / name) for name in ("salt", "formulas", "roots")]},
        "pillar_roots": {"base": [str(folder / "pillar")]},
        "module_dirs": [str(folder / "modules" / tree) for tree in TREES],
        "root_dir": str(own),
        "cachedir": str(own / "cache"),
        "pki_dir": str(own / "pki"),
        "log_file": str(own / "log"),
        "grains": {
            **SYSTEMS[system],
            "os_family": "Debian",
            "osfinger": f"{SYSTEMS[system]['os']}-{SYSTEMS[system]['osrelease']}",
            "osfullname": SYSTEMS[system]["os"],
            "init": INITS[init],
        },
    }


def options(root: Path, folder: Path, case: Case) -> dict[str, Any]:
    """Salt's options of a case, with no grains yet but those that make the case."""
    import salt.config  # noqa: PLC0415  where Salt is not used it is not loaded, and its logging with it

    own = folder / "-".join(case)
    own.mkdir(exist_ok=True)
    (own / "minion").write_text(yaml.safe_dump(configuration(root, folder, case)))
    return salt.config.minion_config(str(own / "minion"))


def render_case(root: Path, folder: Path, files: bool, grains: dict[str, Any], case: Case) -> tuple[Case, Any]:
    """One case, in a process that nothing else was rendered in."""
    import salt.state  # noqa: PLC0415

    opts = options(root, folder, case)
    opts["grains"] = grains | opts["grains"]
    with salt.state.HighState(opts, ROLES[case[2]]) as state:
        if errors := state.opts["pillar"].get("_errors"):
            return case, {"highstate": errors, "files": {}, "order": []}
        state.push_active()
        highstate = state.compile_highstate()
        # A copy, as it is before Salt merges what one state says of another.
        result: dict[str, Any] = {"highstate": json.loads(json.dumps(highstate)), "files": {}, "order": []}
        if isinstance(highstate, dict):
            result["highstate"].pop("__extend__", None)
            if files:
                compile_states(state.state, highstate, result)
        return case, result


def compile_states(state: Any, highstate: dict[str, Any], result: dict[str, Any]) -> None:
    """Add the files of each file.managed and the order of states; what is wrong in it replaces the highstate."""
    highstate, errors = state.reconcile_extend(highstate)
    highstate, more = state.requisite_in(highstate)
    chunks, still_more = state.compile_high_data(highstate)
    if faults := [*errors, *more, *still_more]:
        result["highstate"] = faults
    for chunk in chunks:
        result["order"].append(f"{chunk['__id__']} {chunk['state']}.{chunk['fun']} {chunk['name']}")
        if chunk["state"] == "file" and chunk["fun"] == "managed":
            result["files"][chunk["name"]] = content(state.functions, chunk)


def content(functions: Any, chunk: dict[str, Any]) -> str:
    """What file.managed would write, by the functions that it takes it from."""
    if "contents_pillar" in chunk:
        return str(functions["pillar.get"](chunk["contents_pillar"], unmask=True))
    if "source" not in chunk:
        lines = chunk.get("contents", "")
        return "\n".join(lines) if isinstance(lines, list) else str(lines)
    if not chunk.get("template"):
        path, fault = functions["cp.cache_file"](chunk["source"]), "is missing"
    else:
        given = [chunk.get(key) for key in ("user", "group", "mode", "attrs")]
        variables = [chunk.get("context"), chunk.get("defaults")]
        of_file = (chunk["name"], chunk["template"], chunk["source"], None, None)
        path, _, fault = functions["file.get_managed"](*of_file, *given, "base", *variables)
    return Path(path).read_text(errors="replace") if path else f"{chunk['source']}: {fault}\n"


def main(root: Path, folder: Path) -> None:
    """Print what was asked for, as JSON."""
    import salt.loader  # noqa: PLC0415
    import salt.state  # noqa: F401, PLC0415  each process has it from this one

    asked, files = json.load(sys.stdin)
    cases = [tuple(case) for case in asked]
    # Of this machine; what a case is about replaces its own.
    grains = salt.loader.grains(options(root, folder, cases[0]))
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        print(json.dumps(pool.map(partial(render_case, root, folder, files, grains), cases, chunksize=1)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
