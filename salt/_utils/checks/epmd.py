"""Erlang's port mapper, of which a host has one for all nodes: that of somebody else is asked whether it does for ours.

See "EPMD Protocol" in Erlang's documentation of distribution.
"""

import contextlib
import pathlib
import re
import socket
import struct
from collections.abc import Mapping

ROOT = pathlib.Path("/")
SECONDS = 5


def objection(node: str, address: str, port: int, brokers: Mapping[int, bool]) -> str:
    """Why the one that is here does not do for a node of ours, and what to do; nothing where it does.

    `brokers` says of ports that are listened on whether that is our broker.
    """
    if (ROOT / "run/systemd/system").is_dir():  # whose socket it is to be
        return "stop it, and restart its nodes after this run: they find Debian's own, epmd.socket"
    known = nodes(address, port)
    if known is None:
        return "it does not answer as one; stop it"
    name = node.partition("@")[0]
    if name in known and not brokers.get(known[name]):
        return f"it knows another node {name}, on port {known[name]}; stop that"
    return ""


def nodes(address: str, port: int) -> dict[str, int] | None:
    """The nodes that it knows, with their ports; None where that is not what answers."""
    said = b""
    with contextlib.suppress(OSError), socket.create_connection((address, port), SECONDS) as asked:
        asked.settimeout(SECONDS)
        asked.sendall(b"\x00\x01n")  # NAMES_REQ
        while len(said) < 1 << 16 and (data := asked.recv(4096)):
            said += data
    if said[:4] != struct.pack(">I", port):
        return None
    return {name: int(number) for name, number in re.findall(r"name (\S+) at port (\d+)", said[4:].decode("latin-1"))}
