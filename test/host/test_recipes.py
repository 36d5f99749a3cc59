"""What docs/operate.rst, docs/scale.rst and CONTRIBUTING.rst tell people to do works as it is written."""

import re
import shlex
from collections.abc import Iterator

import pytest

from support.machine import CHECKOUT, Machine
from support.recipes import CONTRIBUTING, OPERATE, ROOT, SCALE, commands, files, sections

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.once]

# Carried out elsewhere.
ELSEWHERE = {"Encrypt the credentials"}
# Takes minutes, and hosts of its own.
BENCH = {"Measure"}
REDIS = files(sections(CONTRIBUTING)["Add a formula"])


@pytest.mark.parametrize("title", [title for title in commands(OPERATE) if title not in ELSEWHERE])
def test_operate(machine: Machine, title: str) -> None:
    """Each command of the section succeeds."""
    machine.run(f"cd /root && sh -ec {shlex.quote(commands(OPERATE)[title])}").ok()


@pytest.mark.parametrize("title", [title for title in commands(SCALE) if title not in BENCH])
def test_scale(machine: Machine, title: str) -> None:
    """Each command of the section succeeds."""
    machine.run(f"cd /root && sh -ec {shlex.quote(commands(SCALE)[title])}").ok()


@pytest.fixture(scope="module")
def redis(machine: Machine) -> Iterator[None]:
    """The formula of the recipe, in the tree of the host; afterwards all is as it was."""
    master = machine.read(f"{CHECKOUT}/salt/master.sls")
    machine.put({f"{CHECKOUT}/{path}": text.encode() for path, text in REDIS.items()})
    machine.put({f"{CHECKOUT}/salt/master.sls": master.replace("  - nginx\n", "  - nginx\n  - redis\n").encode()})
    yield
    machine.put({f"{CHECKOUT}/salt/master.sls": master.encode()})
    machine.run(f"cd {CHECKOUT} && rm -r formulas/redis test/host/test_redis.py").ok()
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get purge --yes --auto-remove redis-server").ok()


@pytest.mark.day
@pytest.mark.last
def test_formula(machine: Machine, redis: None) -> None:
    """The formula of the recipe has fewer than ten files, and converges; the test of the recipe passes."""
    assert len(REDIS) < 10
    preview = machine.highstate("test=True")
    assert {"redis-package", "redis-config", "redis-service"} <= {change.identifier for change in preview.changed}
    machine.highstate().ok()
    machine.highstate().clean()
    checked = re.search(r'machine\.run\("(.*)"\)\.ok\(\)', REDIS["test/host/test_redis.py"])
    assert checked
    machine.run(checked[1]).ok()


@pytest.mark.day
@pytest.mark.last
def test_its_pillar(machine: Machine, redis: None) -> None:
    """It is checked without an entry anywhere, and reaches the service."""
    refused = machine.highstate('pillar=\'{"redis": {"maxmemory": "much"}}\'')
    (fault,) = refused.failed
    assert fault.comment == "redis:maxmemory: must be a size, such as 64mb, not much"
    machine.highstate('pillar=\'{"redis": {"maxmemory": "65mb"}}\'').ok()
    assert "68157440" in machine.run("redis-cli config get maxmemory").ok().stdout


def test_every_formula_is_described() -> None:
    """The recipe's files are those that the layout asks for."""
    layout = {path.name for path in (ROOT / "formulas" / "nginx").iterdir() if path.is_file()}
    assert {path.rpartition("/")[2] for path in REDIS} - {"test_redis.py"} == layout
