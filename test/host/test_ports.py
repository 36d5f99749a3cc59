"""What the outside can reach."""

import asyncio

from support.machine import Machine
from support.network import scan


def test_only_port_80_answers(machine: Machine) -> None:
    """Of all ports, one accepts a connection from outside."""
    assert asyncio.run(scan(machine.address)) == [80]


def test_no_udp(machine: Machine) -> None:
    """No service of ours waits for datagrams from outside."""
    waiting = machine.run("ss -Hlun").ok().stdout.splitlines()
    assert not [line for line in waiting if not any(word in line for word in ("127.0.0.1", "[::1]", "127.0.0.5"))]
