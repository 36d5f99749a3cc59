"""AMQP with a broker on this host, which gets a login only once it is known to be RabbitMQ's.

Any process may listen on 5672 while RabbitMQ restarts, and PLAIN sends the password as it is. The kernel knows whose
the other end of a connection is, proc(5), once it was accepted: it was when the server has spoken. AMQPS on loopback
would need a certificate that every client on the host trusts, and the file of its key kept from all of them.

A broker on another host shows a certificate; nothing is checked here where BROKER_CONF names no `owner`.
"""

import pwd
import socket
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, pyamqp

TABLES = {socket.AF_INET: "/proc/net/tcp", socket.AF_INET6: "/proc/net/tcp6"}
MAPPED = "0000000000000000FFFF0000"
"""How an address of IPv4 begins at a server that listens for both."""


class StrangerError(ConnectionRefusedError):
    """Who listens at the broker's port is not RabbitMQ."""


class Connection(pyamqp.Connection):
    """A connection whose other end belongs to the user `owner`, where one is named."""

    def __init__(self, *args: Any, owner: str = "", **options: Any) -> None:
        """Take what any connection takes, and the owner."""
        super().__init__(*args, **options)
        self.owner = owner

    def _on_start(self, *args: Any, **options: Any) -> None:
        """The server has spoken; the answer has the login."""
        if self.owner:
            verify(self.transport.sock, self.owner)
        super()._on_start(*args, **options)


class Transport(pyamqp.Transport):
    """kombu's transport over such connections."""

    Connection = Connection


def verify(connected: socket.socket, owner: str) -> None:
    """Raise StrangerError when the other end of a connection within this host is not `owner`'s."""
    uid = other_end(connected)
    if uid == pwd.getpwnam(owner).pw_uid:
        return
    place = "{}:{}".format(*connected.getpeername())
    raise StrangerError(f"{place} is not {owner}'s but user {uid}'s: run salt-call --local phagescan.doctor")


def other_end(connected: socket.socket) -> int | None:
    """Return the number of the user whose the other end of a connection is; None when that is not on this host."""
    peer, own = written(connected.getpeername()), written(connected.getsockname())
    places = {connected.family: [peer, own]}
    if connected.family == socket.AF_INET:
        places[socket.AF_INET6] = [MAPPED + peer, MAPPED + own]
    for family, wanted in places.items():
        for line in Path(TABLES[family]).read_text().splitlines()[1:]:
            _, local, remote, _, _, _, _, uid, *_ = line.split()
            if [local, remote] == wanted:
                return int(uid)
    return None


def written(address: tuple[Any, ...]) -> str:
    """Write an address as the kernel's tables do: words of four bytes in the processor's own order, and the port.

    >>> written(("127.0.0.1", 5672))
    '0100007F:1628'
    """
    host, port, *_ = address
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = (packed[place : place + 4][::-1] for place in range(0, len(packed), 4))
    return "".join(word.hex().upper() for word in words) + f":{port:04X}"


TRANSPORT_ALIASES["amqp"] = f"{__name__}:Transport"
