"""Names and addresses that parts of Phagescan use to reach each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def addresses(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The module, on a host with a name server."""
    module = load("_utils/addresses")
    module.RESOLVERS = tmp_path / "resolv.conf"
    text = "# für alle\nsearch example\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n"
    module.RESOLVERS.write_text(text, encoding="latin-1")
    return module


def settings(broker: str = "127.0.0.1", url: str = "http://127.0.0.1:9000") -> Any:
    """Of the namespace phagescan."""
    return {"broker": {"host": broker}, "worker": {"master_url": url}}


def test_peers(addresses: Any) -> None:
    """They are the broker's, and the master's; name servers only where there is a name to ask for."""
    assert addresses.peers(settings(), "worker") == addresses.peers(settings(), "master") == ["127.0.0.1"]
    found = addresses.peers(settings("192.0.2.1", "http://[2001:db8::1]:8080"), "worker")
    assert found == ["192.0.2.1", "2001:db8::1"]
    assert addresses.peers(settings("192.0.2.1"), "master") == ["127.0.0.1", "192.0.2.1"]
    assert {"127.0.0.1", "192.0.2.53", "fe80::1"} <= set(addresses.peers(settings("localhost"), "worker"))
    addresses.RESOLVERS.unlink()
    assert "192.0.2.53" not in addresses.peers(settings("localhost"), "worker")


@pytest.mark.parametrize(
    ("url", "host"), [("http://10.0.0.1:8080/", "10.0.0.1"), ("http://[2001:db8::1]", "[2001:db8::1]")]
)
def test_allowed_hosts(addresses: Any, url: str, host: str) -> None:
    """Django answers workers, whatever else its names are."""
    phagescan = settings(url=url) | {"allowed_hosts": ["scan.example"]}
    assert addresses.allowed_hosts(phagescan) == ["scan.example", host]
    phagescan["allowed_hosts"] = ["2001:DB8:0::5", "[2001:db8:0:0::5]", "scan.example", "10.0.0.2"]
    assert addresses.allowed_hosts(phagescan) == ["[2001:db8::5]", "scan.example", "10.0.0.2", host]
    phagescan["allowed_hosts"] = ["scan.example"]
    public = phagescan | {"public_url": "https://public.example:8443"}
    assert addresses.allowed_hosts(public) == ["scan.example", "public.example", host]
