"""Two runs at once: the second says who runs, and touches nothing."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.interrupting import Moment, Run, program
from support.machine import CHECKOUT, Machine

pytestmark = [pytest.mark.clone("cut"), pytest.mark.once]

HIGHSTATE = f"cd {CHECKOUT} && salt-call --local state.highstate"
HELD = "is at work: wait for its end, then run this again"


def stopped(machine: Machine, command: str, moment: Moment) -> Run:
    """A run that waits in the middle."""
    run = Run(machine, command)
    assert run.wait(moment, "stop"), "the run had ended before"
    return run


def test_second_is_told_who_runs(machine: Machine) -> None:
    """A highstate or bootstrap during a highstate ends at once with 1, and names the first and its time; others go
    on.
    """
    run = stopped(machine, "salt-call --local state.highstate", Moment("Running state [services-asked]"))
    try:
        for command in (HIGHSTATE, f"cd {CHECKOUT} && salt-call --local state.apply nginx", f"{CHECKOUT}/bootstrap"):
            reported = machine.run(command)
            assert reported.code == 1, str(reported)
            assert re.search(
                rf"state.highstate, PID {run.pid}, since [\d-]+ [\d:]+, {HELD}$", reported.stderr.strip()
            ), str(reported)
            assert len(reported.stderr.strip().splitlines()) == 1
        machine.highstate("test=True").ok()
        machine.run(f"cd {CHECKOUT} && salt-call --local phagescan.doctor").ok()
        machine.canary().ok()
    finally:
        machine.run(f"kill -KILL {run.pid}")
    machine.highstate().clean()


def test_preview_is_in_nobodys_way(machine: Machine) -> None:
    """A preview that is under way keeps no run from starting."""
    run = stopped(machine, "salt-call --local state.highstate test=True", Moment("Running state [services-asked]"))
    try:
        machine.highstate().ok()
    finally:
        machine.run(f"kill -KILL {run.pid}")


@pytest.mark.day
def test_two_bootstraps(machine: Machine) -> None:
    """A bootstrap during another one, or a highstate, ends at once and names it."""
    machine.run("rm /opt/phagescan-salt/installed").ok()
    run = Run(machine, "./bootstrap")
    try:
        assert run.wait(Moment("pip installs Salt", 0, program("-m pip install --no-compile")), "look")
        reported = machine.run(f"{CHECKOUT}/bootstrap")
        assert reported.code == 1
        assert re.search(
            rf"^bootstrap: bootstrap, PID {run.pid}, since [\d-]+ [\d:]+, {HELD}$", reported.stderr.strip()
        ), str(reported)
    finally:
        run.end()
    machine.bootstrap().ok()


def test_in_one_instant(machine: Machine) -> None:
    """Of runs that start at the same time, with seconds of work to do, one runs, and the others say so."""
    machine.service("celeryd", "stop").ok()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: machine.run(HIGHSTATE), range(4)))
    refused = [result for result in results if result.code]
    assert 0 < len(refused) < 4, "\n".join(map(str, results))
    assert all(result.code == 1 and HELD in result.stderr for result in refused), "\n".join(map(str, refused))
    machine.highstate().clean()
