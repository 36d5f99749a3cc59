"""RabbitMQ 4 is kept away from a database of 3, and only from that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OLD = {
    *(
        "classic_mirrored_queue_version",
        "implicit_default_bindings",
        "maintenance_mode_status",
        "quorum_queue",
        "stream_queue",
    ),
    *("user_limits", "virtual_host_metadata"),
}


@pytest.fixture
def upgrade(load: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Makes the module on a host with this RabbitMQ, whose database has these feature flags."""

    def make(version: str, flags: set[str] | None, release: str = "Debian-12") -> Any:
        salt: dict[str, Any] = {"pillar.get": lambda *_arguments, **_options: ["shop"]}
        utils = {"rabbitmq_node.base": lambda: tmp_path / "mnesia"}
        module = load("_modules/rabbitmq_upgrade", __grains__={"osfinger": release}, __salt__=salt, __utils__=utils)
        module.PROGRAMS, module.DATABASES = tmp_path / "lib", tmp_path / "mnesia"
        module.PROGRAMS.mkdir()
        module.DATABASES.mkdir()
        if version:
            (module.PROGRAMS / f"rabbitmq_server-{version}").mkdir()
        if flags is not None:
            (module.DATABASES / "rabbit@localhost").mkdir()
            path = module.DATABASES / "rabbit@localhost-feature_flags"
            path.write_text("[" + ",\n ".join(f"'{flag}'" if "." in flag else flag for flag in sorted(flags)) + "].\n")
        return module

    return make


ALL = {"rabbitmq_4.0.0", "stream_sac_coordinator_unblock_group", "stream_update_config_command", "restart_streams"}


@pytest.mark.parametrize(
    ("version", "flags", "release", "blocked", "stuck"),
    [
        ("", None, "Debian-12", True, False),
        ("", None, "Debian-13", False, False),
        ("3.10.8", OLD, "Debian-12", True, False),
        ("3.10.8", OLD, "Debian-13", True, False),
        ("3.13.7", "all", "Debian-12", False, False),
        ("3.12.1", None, "Ubuntu-24.04", True, False),
        ("4.0.5", "all", "Debian-13", False, False),
        ("4.0.5", OLD, "Debian-13", False, True),
        ("4.0.5", OLD, "Debian-12", False, True),
        ("4.0.5", set(), "Debian-13", False, False),
        ("4.0.5", None, "Debian-13", False, False),
        ("", OLD, "Debian-13", False, True),
        ("", OLD, "Debian-12", True, False),
        ("10.0.0", "all", "Debian-13", False, False),
    ],
)
def test_state(upgrade: Callable[..., Any], version: str, flags: Any, release: str, blocked: bool, stuck: bool) -> None:
    """3 is pinned until its database has what 4 requires; 4 on a database without is named; one that is being made is
    not.
    """
    module = upgrade(version, None if flags == "all" else flags, release)
    if flags == "all":
        (module.DATABASES / "rabbit@localhost-feature_flags").write_text(
            str(sorted(module.REQUIRED | ALL)).replace("'", "")
        )
    assert (module.version(), module.blocked(), module.stuck()) == (version, blocked, stuck)


def test_half_upgraded(upgrade: Callable[..., Any]) -> None:
    """Where both are unpacked the newer one counts, and flags that are missing are named."""
    module = upgrade("3.10.8", OLD)
    (module.PROGRAMS / "rabbitmq_server-4.0.5").mkdir()
    assert module.version() == "4.0.5"
    assert module.stuck()
    assert "stream_single_active_consumer" in module.missing()
    assert not OLD & set(module.missing())


def test_steps(upgrade: Callable[..., Any], tmp_path: Path) -> None:
    """What is to be done: the database is set aside, and never removed."""
    aside = f"mv -T {tmp_path}/mnesia {tmp_path}/mnesia.3"
    module = upgrade("3.10.8", OLD)
    steps = module.steps()
    assert steps[0].startswith("rabbitmqctl -p shop list_queues")
    assert steps[1:] == [
        "service rabbitmq-server stop",
        aside,
        f"rm {module.PIN}",
        "apt-get install rabbitmq-server",
        "salt-call --local state.highstate",
    ]
    (module.PROGRAMS / "rabbitmq_server-3.10.8").rename(module.PROGRAMS / "rabbitmq_server-4.0.5")
    stuck = ["service rabbitmq-server stop", aside, "dpkg --configure -a", "salt-call --local state.highstate"]
    assert module.steps() == stuck
    (module.PROGRAMS / "rabbitmq_server-4.0.5").rmdir()
    module.__grains__["osfinger"] = "Debian-13"
    assert module.steps() == [aside, "salt-call --local state.highstate"]
