"""One setting listens on both families, where the kernel has them."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("listen", "with_ipv6", "without"),
    [
        (80, ["80", "[::]:80"], ["80"]),
        ("80 default_server", ["80 default_server", "[::]:80 default_server"], ["80 default_server"]),
        ("*:8080 ssl", ["*:8080 ssl", "[::]:8080 ssl"], ["*:8080 ssl"]),
        ("0.0.0.0:80", ["0.0.0.0:80"], ["0.0.0.0:80"]),
        ("192.0.2.1:80", ["192.0.2.1:80"], ["192.0.2.1:80"]),
        ("[::]:80", ["[::]:80"], ["[::]:80"]),
        ("[2001:db8::1]:80", ["[2001:db8::1]:80"], ["[2001:db8::1]:80"]),
    ],
)
def test_places(load: Callable[..., Any], listen: Any, with_ipv6: list[str], without: list[str]) -> None:
    """Without an address it is both; an address is that alone."""
    module = load("_modules/nginx_listen")
    for known, places in ((True, with_ipv6), (False, without)):
        module.has_ipv6 = lambda known=known: known
        assert module.places(listen) == places


def test_kernel(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without IPv6 refuses a socket of it."""
    module = load("_modules/nginx_listen")

    def refuse(*_: Any) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(module.socket, "socket", refuse)
    assert not module.has_ipv6()
    assert module.places(80) == ["80"]
