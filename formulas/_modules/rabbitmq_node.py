"""The local RabbitMQ node."""

from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__utils__: dict[str, Callable[..., Any]]


def found(wanted: str) -> dict[str, Any]:
    """The Erlang node where pillar names `wanted`: its `name`, which is that of the broker that is here; whether its
    listeners are `ours`; whether it `runs`; `choices`, where several databases are here and nothing decides.
    """
    choices = list(__utils__["rabbitmq_node.choices"]())
    return {
        "name": __utils__["rabbitmq_node.name"](wanted),
        "ours": __utils__["rabbitmq_node.ours"](wanted),
        "runs": __utils__["rabbitmq_node.running"]() is not None,
        "choices": choices if len(choices) > 1 and wanted not in choices else [],
    }
