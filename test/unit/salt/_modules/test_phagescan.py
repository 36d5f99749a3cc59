"""What Phagescan's own functions tell: roles, addresses, status, and where to go after a highstate."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

UTILS = ("pillar_faults.faults", "schema.faults", "schema.key", "schema.nearest", "startup.spared")


def test_roles(phagescan: Callable[..., Any]) -> None:
    """Pillar decides, then the grain, then it has both."""
    assert phagescan().roles() == ["master", "worker"]
    assert phagescan(roles=["worker"]).roles() == ["worker"]
    assert phagescan({"phagescan:roles": ["master", "worker"]}, roles=["worker"]).roles() == ["master", "worker"]


def test_canary(phagescan: Callable[..., Any]) -> None:
    """The canary's one line is the answer, and its reason the failure."""
    module = phagescan()
    module.__salt__ = {
        "pillar.get": module.__salt__["pillar.get"],
        "django_site.manage": lambda _site, verb: f"{verb} ok\n",
    }
    assert module.canary() == "canary ok"

    def broken(_site: dict[str, Any], _verb: str) -> str:
        raise CommandExecutionError("manage.py canary: canary failed: broker")

    module.__salt__["django_site.manage"] = broken
    with pytest.raises(CommandExecutionError, match=r"^canary failed: broker$"):
        module.canary()


def test_canary_on_a_bare_host(phagescan: Callable[..., Any]) -> None:
    """Where nothing is installed the canary says so, in one line."""
    with pytest.raises(CommandExecutionError, match="not installed here"):
        phagescan({"phagescan:user": "unit-nobody"}).canary()


def test_version(phagescan: Callable[..., Any]) -> None:
    """It is about the tree that the states come from."""
    module = phagescan()
    module.__opts__["file_roots"] = {"base": ["/srv/tree/salt", "/srv/tree/formulas"]}
    module.__utils__ = {"release.known": lambda checkout: {"tree": checkout}}
    assert module.version() == {"tree": "/srv/tree"}


@pytest.mark.parametrize(("ok", "code"), [(True, None), (None, None), (False, 1)])
def test_status(phagescan: Callable[..., Any], ok: bool | None, code: int | None) -> None:
    """What the parts are is the answer, and the exit code tells whether one is broken."""
    module = phagescan()
    part: dict[str, Any] = {"ok": ok, "said": "told", "log": []}
    asked: list[Any] = []

    def parts(pillar: dict[str, Any], roles: list[str], *rest: Any) -> Any:
        asked.append((pillar["phagescan"]["user"], roles, rest[-1]))
        return {"broker": part}

    module.__context__ = {}
    module.__utils__ = {name: module.__utils__[name] for name in UTILS} | {"health.parts": parts}
    assert module.status() == {"broker": part}
    assert module.__context__.get("retcode") == code
    module.tls = lambda: {"certificate": "/etc/phagescan/tls/certificate.pem"}
    module.status()
    assert asked == [
        ("avuser", ["master", "worker"], None),
        ("avuser", ["master", "worker"], "/etc/phagescan/tls/certificate.pem"),
    ]


def test_status_of_a_faulty_pillar(phagescan: Callable[..., Any]) -> None:
    """Its faults are told, and nothing else is looked at, as nobody knows where."""
    module = phagescan({"phagescan:mode": "debug"})
    module.__context__ = {}
    parts = module.status()
    assert list(parts) == ["pillar"]
    assert parts["pillar"]["ok"] is False
    assert parts["pillar"]["log"] == module.faults()
    assert module.__context__["retcode"] == 1


def test_status_does_not_mind_the_host(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """What only keeps a highstate from running is no fault of the pillar."""
    (tmp_path / "opt" / "phagescan").mkdir(parents=True)
    (tmp_path / "opt" / "phagescan" / "theirs").touch()
    module = phagescan()
    assert module.faults()
    assert module.faults(host=False) == []


def arriving(module: Any) -> list[str]:
    """Canaries that were sent; from now on each answers."""
    sent: list[str] = []
    real = module.__salt__

    def canary() -> str:
        sent.append("sent")
        return "canary ok: 1.2 s"

    module.__salt__ = {
        "pillar.get": real["pillar.get"],
        "grains.get": real["grains.get"],
        "phagescan.canary": canary,
    }
    return sent


def test_arrival(phagescan: Callable[..., Any], shipped: dict[str, Any]) -> None:
    """The operator is told where to go and who to be, and where the password lies, not what it is."""
    module = phagescan(ipv4=["127.0.0.1", "192.0.2.7"])
    sent = arriving(module)
    canary, url, login, password = module.arrival().splitlines()
    assert canary == "canary ok: 1.2 s"
    assert url.endswith(" http://192.0.2.7/")
    assert login.endswith(" admin")
    assert password.endswith(" phagescan:admin:password in pillar/credentials.sls")
    assert shipped["phagescan"]["admin"]["password"] not in password
    assert module.arrival(canary=False).splitlines() == [url, login, password]
    assert sent == ["sent"]


def test_arrival_with_tls(phagescan: Callable[..., Any]) -> None:
    """The page is where it is not redirected."""
    module = phagescan({"phagescan:tls": {"self_signed": True}}, ipv4=["192.0.2.7"])
    assert " https://192.0.2.7/" in module.arrival(canary=False)


def test_arrival_without_a_network(phagescan: Callable[..., Any]) -> None:
    """A host with no other address is reached from itself."""
    assert "http://127.0.0.1/" in phagescan().arrival(canary=False)


def test_arrival_sends_no_canary(phagescan: Callable[..., Any]) -> None:
    """In development nothing runs that could answer; a worker has no pages."""
    module = phagescan({"phagescan:mode": "development"})
    sent = arriving(module)
    assert module.arrival().startswith("Phagescan Master: http://")
    module = phagescan({"phagescan:roles": ["worker"]})
    sent += arriving(module)
    assert module.arrival().startswith("Phagescan worker: ")
    assert sent == []


def test_arrival_of_a_broken_host(phagescan: Callable[..., Any]) -> None:
    """A canary that does not come back is the failure of bootstrap."""

    def broken() -> str:
        raise CommandExecutionError("canary failed: broker")

    module = phagescan()
    arriving(module)
    module.__salt__["phagescan.canary"] = broken
    with pytest.raises(CommandExecutionError, match="canary failed: broker"):
        module.arrival()


def test_peers(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """Peers are the broker's and the master's or database's addresses; name servers only where there is a name to ask for."""
    assert phagescan().peers("worker") == phagescan().peers("master") == ["127.0.0.1"]
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/resolv.conf").write_text("search example\nnameserver 192.0.2.53\n")
    changed = {"phagescan:broker:host": "192.0.2.1", "phagescan:worker:master_url": "http://[2001:db8::1]:8080"}
    assert phagescan(changed).peers("worker") == ["192.0.2.1", "2001:db8::1"]
    changed["phagescan:database:host"] = "192.0.2.2"
    assert phagescan(changed).peers("master") == ["127.0.0.1", "192.0.2.1", "192.0.2.2"]
    changed = {"phagescan:broker:host": "localhost"}
    assert {"127.0.0.1", "192.0.2.53"} <= set(phagescan(changed).peers("worker"))


def test_allowed_hosts(phagescan: Callable[..., Any]) -> None:
    """Django answers workers, whatever else its names are."""
    changed = {"phagescan:allowed_hosts": ["scan.example"], "phagescan:worker:master_url": "http://10.0.0.1:8080/"}
    assert phagescan(changed).allowed_hosts() == ["scan.example", "10.0.0.1"]
    changed["phagescan:worker:master_url"] = "http://[2001:db8::1]"
    assert phagescan(changed).allowed_hosts() == ["scan.example", "[2001:db8::1]"]


def test_where_they_are(load: Callable[..., Any], minion: Callable[..., SimpleNamespace]) -> None:
    """Formulas are told where certificate and key are by one function, and that there are none."""
    for given, told in (
        (None, {}),
        ({}, {}),
        ({"self_signed": False}, {}),
        ({"certificate": "/a", "key": "/b"}, {"certificate": "/a", "key": "/b"}),
        (
            {"self_signed": True},
            {"certificate": "/etc/phagescan/tls/certificate.pem", "key": "/etc/phagescan/tls/key.pem"},
        ),
    ):
        salt = minion({"phagescan": {"tls": given}} if given is not None else {}).salt
        assert load("_modules/phagescan", __salt__=salt).tls() == told
