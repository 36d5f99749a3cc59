"""What a run with nothing to do starts: each process costs, and Erlang's most of all."""

import pytest

from support import strace
from support.machine import CHECKOUT, Machine

# Salt's own, for its grains: ip 8, which 3, ldconfig 2, uname 2, dpkg, systemctl, systemd-detect-virt; and itself
# twice.
MOST = 24


@pytest.fixture(scope="module")
def started(machine: Machine) -> dict[str, int]:
    """How often each program was started by one run that changed nothing."""
    machine.run("command -v strace || DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes strace").ok()
    machine.highstate().clean()
    ran = machine.run(f"cd {CHECKOUT} && {strace.COMMAND} salt-call --local state.highstate").ok()
    assert ran.stdout.endswith(": nothing changed\n")
    return {program: len(lives) for program, lives in strace.starts(machine.read(strace.OUTPUT)).items()}


@pytest.mark.parametrize(
    ("program", "most"),
    [
        ("rabbitmqctl", 0),
        ("beam.smp", 0),
        ("erl_call", 1),
        ("psql", 2),
        ("dpkg-query", 0),
        ("python", 1),  # salt-call itself: neither pip nor manage.py
        ("systemctl", 2),
    ],
)
def test_starts(started: dict[str, int], program: str, most: int) -> None:
    """Each thing is asked once, whatever there is to ask."""
    assert sum(count for name, count in started.items() if name.startswith(program)) <= most, str(started)


def test_all(started: dict[str, int]) -> None:
    """No state starts a process of its own without need."""
    assert sum(started.values()) <= MOST, str(started)


def test_it_counts(started: dict[str, int]) -> None:
    """What cannot be done without was seen."""
    assert started.get("psql") == 2 * started.get("erl_call", 0) == 2, str(started)
