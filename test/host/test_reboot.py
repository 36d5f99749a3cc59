"""The host is switched off and on again."""

import pytest

from support.machine import Machine
from support.waiting import wait_until

pytestmark = pytest.mark.last


def test_all_is_back(machine: Machine) -> None:
    """After a restart the canary flies without anybody's help."""
    machine.restart()
    wait_until(lambda: machine.canary().code == 0, "the canary flies", 4)


def test_nothing_is_to_do(machine: Machine) -> None:
    """And a highstate finds nothing to change."""
    machine.highstate().clean()
