"""Where nginx listens."""

import socket


def places(listen: str | int) -> list[str]:
    """What nginx reads for a `listen` of pillar: without an address, or with *, both families that the kernel has.

    A kernel without IPv6 makes no socket of it, and nginx would not start.
    """
    place, _, options = str(listen).partition(" ")
    address, _, port = place.rpartition(":")
    found = [place, f"[::]:{port}"] if address in ("", "*") and has_ipv6() else [place]
    return [f"{each} {options}".strip() for each in found]


def has_ipv6() -> bool:
    """Whether the kernel knows IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
