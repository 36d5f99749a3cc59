"""What the outside can reach."""

import asyncio

from machine import Machine


async def scan(address: str) -> list[int]:
    """The TCP ports that accept a connection."""
    slots = asyncio.Semaphore(256)
    found = []

    async def attempt(port: int) -> None:
        async with slots:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 20)
            except OSError:
                return
            found.append(port)
            writer.close()

    await asyncio.gather(*(attempt(port) for port in range(1, 65536)))
    return sorted(found)


def test_only_port_80_answers(machine: Machine) -> None:
    """Of all ports, one accepts a connection from outside."""
    assert asyncio.run(scan(machine.address)) == [80]


def test_no_udp(machine: Machine) -> None:
    """No service of ours waits for datagrams from outside."""
    waiting = machine.run("ss -Hlun").ok().stdout.splitlines()
    assert not [line for line in waiting if not any(word in line for word in ("127.0.0.1", "[::1]", "127.0.0.5"))]
