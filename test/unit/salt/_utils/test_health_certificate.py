"""A certificate is judged by what the ports show."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from health_support import certificate


def judged(health: Any, path: str, ports: dict[str, int], web: bool = True, broker: bool = True) -> dict[str, Any]:
    """What is said of a certificate, while something is on these ports; and nginx and the broker are well, or not."""
    shown = {other: (port, health.probes.presented("127.0.0.1", port)) for other, port in ports.items()}
    return health.probes.validity(path, shown, {"web": {"ok": web}, "broker": {"ok": broker}})


@pytest.mark.parametrize(
    ("since", "days", "ok", "said"),
    [
        (-2, -1, False, "has expired on"),
        (1, 100, False, "is valid from"),
        (-2, 1, False, "is valid until"),
        (-2, 13, False, "is valid until"),
        (-2, 15, True, "is valid until"),
        (-2, 400, True, "is valid until"),
    ],
)
def test_certificate(
    health: Any, tmp_path: Path, serve: Callable[..., int], since: int, days: int, ok: bool, said: str
) -> None:
    """One that is served and has expired, or is about to, or is not valid yet, is a fault."""
    path = certificate(tmp_path / "certificate.pem", days, since)
    port = serve(path)
    found = judged(health, path, {"web": port, "broker": port})
    assert found["ok"] is ok
    assert found["said"].startswith(f"{path} {said}")


@pytest.mark.parametrize(("days", "said"), [(-1, "has expired on"), (100, "is valid until")])
def test_certificate_that_is_not_the_files(
    health: Any, tmp_path: Path, serve: Callable[..., int], days: int, said: str
) -> None:
    """A file that was renewed is not served yet: whatever it holds, the port that shows another certificate is
    named.
    """
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", days)
    web, broker = serve(path), serve(old)
    found = judged(health, path, {"web": web, "broker": broker})
    assert found["ok"] is False
    assert found["said"].startswith(f"port {broker} serves another certificate than {path}, one that {said}")
    assert "run salt-call --local state.highstate" in found["said"]
    assert str(web) not in found["said"].split()
    assert judged(health, path, {"web": web})["ok"] is True
    assert judged(health, path, {"web": broker})["ok"] is False


def test_certificate_that_nobody_shows(health: Any, tmp_path: Path, serve: Callable[..., int]) -> None:
    """What is served cannot be known while nginx or the broker is broken, unless the other port has a fault of its
    own.
    """
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", 90)
    port, other = serve(path), serve(old)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        silent = server.getsockname()[1]
        found = judged(health, path, {"web": silent, "broker": port}, web=False)
        assert (found["ok"], found["said"]) == (None, f"not known: port {silent} does not answer, see web")
        assert judged(health, path, {"web": port, "broker": silent}, broker=False)["ok"] is None
        assert judged(health, path, {"web": silent, "broker": other}, web=False)["ok"] is False
        found = judged(health, path, {"web": port, "broker": silent})
    assert found["ok"] is False
    assert found["said"].startswith(f"port {silent} serves no certificate: run salt-call")
    assert judged(health, path, {"web": silent}, web=False)["ok"] is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_certificate_that_is_none(health: Any, tmp_path: Path, content: bytes | None) -> None:
    """One that cannot be read is a fault as well."""
    path = tmp_path / "certificate.pem"
    if content is not None:
        path.write_bytes(content)
    assert judged(health, str(path), {})["ok"] is False


def test_secured(health: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS is where the site is, AMQPS where the formula has the broker listen, if it does."""
    monkeypatch.setattr(health.probes, "AMQPS", str(tmp_path / "60-tls.conf"))
    assert health.probes.secured({"listen": "80 default_server"}, 443) == {"web": ("127.0.0.1", 443)}
    (tmp_path / "60-tls.conf").write_text(
        "# Managed\nlisteners.ssl.1 = 0.0.0.0:5671\nssl_options.verify = verify_none\n"
    )
    assert health.probes.secured({"listen": "[::]:80"}, 443) == {"web": ("::1", 443), "broker": ("127.0.0.1", 5671)}
    (tmp_path / "60-tls.conf").write_text("listeners.ssl.1 = :::5671\n")
    assert health.probes.secured({"listen": "192.0.2.7:80"}, 443) == {
        "web": ("192.0.2.7", 443),
        "broker": ("::1", 5671),
    }
