"""A firewall that lets no one in is said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TUPLE = "### tuple ### {} 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp -j ACCEPT\n"
PROFILE = "### tuple ### allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20Full - in\n"


@pytest.mark.parametrize(
    ("on", "policy", "rules", "noted"),
    [
        ("yes", "DROP", TUPLE.format("allow tcp 22"), True),
        ("yes", "DROP", TUPLE.format("allow tcp 443"), False),
        ("yes", "DROP", TUPLE.format("allow any 443"), False),
        ("yes", "DROP", TUPLE.format("limit tcp 440:450"), False),
        ("yes", "DROP", TUPLE.format("allow any any"), False),
        ("yes", "DROP", PROFILE, False),
        ("yes", "DROP", TUPLE.format("deny tcp 443"), True),
        ("yes", "DROP", TUPLE.format("allow tcp 443").replace(" in\n", " out\n"), True),
        ("yes", "DROP", TUPLE.format("allow udp 443"), True),
        ("yes", "ACCEPT", "", False),
        ("no", "DROP", "", False),
        ("", "", "", False),
    ],
)
def test_ufw(load: Callable[..., Any], tmp_path: Path, on: str, policy: str, rules: str, noted: bool) -> None:
    """Where ufw is on and no rule lets others in at the port, the command that does is named."""
    module = load("_utils/firewall")
    module.ROOT = tmp_path
    for path, text in (
        ("etc/ufw/ufw.conf", f"# x\nENABLED={on}\n"),
        ("etc/default/ufw", f'DEFAULT_INPUT_POLICY="{policy}"\n'),
        ("etc/ufw/user.rules", f"*filter\n{rules}"),
    ):
        if on:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    assert bool(module.note(443)) is noted
    assert not noted or module.note(443).endswith("ufw allow 443/tcp")
