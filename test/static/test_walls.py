"""Which part of the tree may import which: the contracts in pyproject.toml, and what import-linter does not see."""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "roots" / "phagescan"
TOOLS = Path(sys.executable).parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
WORKER = next(contract for contract in CONTRACTS if contract["id"] == "worker")
CONF = """
ca_certs = ""
[broker]
host = "127.0.0.1"
port = 1
vhost = "phage"
user = "worker"
password = "test-secret"
tls = false
[scan]
master_url = "http://127.0.0.1:1"
concurrency = 1
[unpack]
depth = 1
members = 1
size = 1
seconds = 1
ratio = 1
[engines.yara]
"""
# Each module that a worker names by a string, and those that it imports from there.
PROCESS = """
import sys, importlib
for name in ("shared.celeryd", "shared.app", "shared.intake", "shared.events", "worker.tasks", "worker.announce",
             "worker.status", "worker.child", "worker.unpack.opener",
             "engines.clamav", "engines.fileinfo", "engines.yara"):
    importlib.import_module(name)
print(*sys.modules)
"""


def imported(path: Path) -> Iterator[str]:
    """The names of modules that a module imports, wherever in it that is done."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def within(name: str, modules: list[str]) -> bool:
    """The module is one of these or below one of them."""
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def test_contracts() -> None:
    """The application keeps the contracts in pyproject.toml, over any number of imports."""
    ran = subprocess.run(
        [TOOLS / "lint-imports", "--no-cache", "--no-logo", ROOT / "pyproject.toml"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in ran.stdout


def test_worker_configuration() -> None:
    """The worker's configuration imports what the contract keeps from Django; import-linter sees packages only."""
    names = set(imported(PROJECT / "workerceleryconfig.py"))
    ours = {name for name in names if within(name, ["engines", "scaggr", "shared", "worker"])}
    assert "shared.celeryconf" in ours
    assert not [name for name in ours if not within(name, WORKER["source_modules"])]
    assert not [name for name in names if within(name, WORKER["forbidden_modules"])]


def test_worker_process(tmp_path: Path) -> None:
    """What a worker's process has loaded is nothing of the master, and no Django but its utilities, which Celery's
    serialization looks for.
    """
    (tmp_path / "worker.toml").write_text(CONF)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"CELERY_CONFIG_MODULE": "workerceleryconfig", "PHAGESCAN_CONF_DIR": str(tmp_path)}
    environment |= {"PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", PROCESS]
    loaded = subprocess.check_output(command, cwd=PROJECT, env=environment, text=True).split()
    assert {"workerceleryconfig", "worker.tasks", "shared.intake"} <= set(loaded)
    forbidden = [name for name in loaded if within(name, WORKER["forbidden_modules"])]
    assert not [name for name in forbidden if name != "django" and not within(name, ["django.utils"])]


@pytest.mark.parametrize("folder", ["salt", "formulas"])
def test_states_do_not_import_the_application(folder: str) -> None:
    """Modules of Salt run in Salt's virtualenv, on hosts where the application is not installed yet."""
    application = [path.stem for path in PROJECT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert {"scaggr", "shared", "worker", "engines", "manage", "workerceleryconfig"} <= set(application)
    for path in sorted((ROOT / folder).rglob("*.py")):
        wrong = [name for name in imported(path) if within(name, application)]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"
