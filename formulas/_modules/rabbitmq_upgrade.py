"""Whether RabbitMQ 4 would start on the database that is here.

It refuses one that lacks feature flags, and 3.10, Debian 12's, does not even know all of them: there is no way from
one to the other but a new database. apt does not know that, so 4 is kept away until the old database is set aside.
"""

import pathlib
import re
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__grains__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

PIN = "/etc/apt/preferences.d/salt-rabbitmq.pref"
PROGRAMS = pathlib.Path("/usr/lib/rabbitmq/lib")
# Releases whose own RabbitMQ is 3.
THREE = ("Debian-12", "Ubuntu-24.04")
# Without one of these 4.0 does not start (rabbitmqctl list_feature_flags calls them required).
REQUIRED = {
    "classic_mirrored_queue_version",
    "classic_queue_type_delivery_support",
    "direct_exchange_routing_v2",
    "feature_flags_v2",
    "implicit_default_bindings",
    "listener_records_in_ets",
    "maintenance_mode_status",
    "message_containers",
    "quorum_queue",
    "restart_streams",
    "stream_filtering",
    "stream_queue",
    "stream_sac_coordinator_unblock_group",
    "stream_single_active_consumer",
    "stream_update_config_command",
    "tracking_records_in_ets",
    "user_limits",
    "virtual_host_metadata",
}


def version() -> str:
    """Version of the RabbitMQ that is installed, also half installed; empty without one."""
    found = [path.name.partition("-")[2] for path in PROGRAMS.glob("rabbitmq_server-*")]
    return max(found, key=_major, default="")


def missing() -> list[str]:
    """Feature flags that 4 requires and a database here lacks; none without a database."""
    lacking: set[str] = set()
    for path in _flags():
        enabled = set(re.findall(r"\w[\w.]*", path.read_text()))
        if enabled:  # or else it is being made
            lacking |= REQUIRED - enabled
    return sorted(lacking)


def blocked() -> bool:
    """Whether apt is to keep 4 away: 3 is here, or would come, and 4 would not start on what it leaves."""
    here = version()
    three = _major(here) < 4 if here else __grains__["osfinger"] in THREE
    return three and (bool(missing()) or not _flags())


def stuck() -> bool:
    """Whether there is a database of 3 on which the 4 that is here, or would come, does not start."""
    here = version()
    four = _major(here) > 3 if here else __grains__["osfinger"] not in THREE
    return four and bool(missing())


def steps() -> list[str]:
    """Commands that lead to a working RabbitMQ 4, for the operator: nothing is removed, and pillar fills the new
    database.
    """
    databases = __utils__["rabbitmq_node.base"]()
    aside = [f"mv -T {databases} {databases}.3"]
    if stuck():
        repair = ["service rabbitmq-server stop", *aside, "dpkg --configure -a"] if version() else aside
        return [*repair, "salt-call --local state.highstate"]
    vhosts = __salt__["pillar.get"]("rabbitmq:vhosts", [], unmask=True)
    return [
        *(f"rabbitmqctl -p {vhost} list_queues name messages  # until no message is left" for vhost in vhosts),
        "service rabbitmq-server stop",
        *aside,
        f"rm {PIN}",
        "apt-get install rabbitmq-server",
        "salt-call --local state.highstate",
    ]


def _flags() -> list[pathlib.Path]:
    """The files of databases that say which feature flags each has."""
    return list(__utils__["rabbitmq_node.base"]().glob("*-feature_flags"))


def _major(version: str) -> int:
    return int(version.partition(".")[0] or 0)
