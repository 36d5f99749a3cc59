"""The local RabbitMQ node."""

from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__utils__: dict[str, Callable[..., Any]]


def name(default: str) -> str:
    """Name of the Erlang node: of the one database that is here already, else `default`."""
    return __utils__["rabbitmq_topology.node"](default)
