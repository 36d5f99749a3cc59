"""What Phagescan's own functions tell: roles, addresses, status, and where to go after a highstate."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import doctors
from pillars import REMOVED, ROOT


def test_roles(phagescan: Callable[..., Any]) -> None:
    """Pillar decides, then the grain, then it has both."""
    assert phagescan().roles() == ["master", "worker"]
    assert phagescan(roles=["worker"]).roles() == ["worker"]
    assert phagescan({"phagescan:roles": ["master", "worker"]}, roles=["worker"]).roles() == ["master", "worker"]


def test_canary(phagescan: Callable[..., Any]) -> None:
    """The canary's one line is the answer, and its reason the failure."""
    module = phagescan()
    module.__utils__["django_site.manage"] = lambda _site, *words: " ".join(words) + "\n"
    flown = module.canary()
    assert flown.startswith("canary ")
    assert flown.endswith("--address 127.0.0.1 --port 80")
    assert "--worker" in flown

    def broken(_site: dict[str, Any], *_words: str) -> str:
        raise CommandExecutionError("manage.py canary: canary failed: broker")

    module.__utils__["django_site.manage"] = broken
    with pytest.raises(CommandExecutionError, match=r"^canary failed: broker$"):
        module.canary()


def test_canary_on_a_bare_host(phagescan: Callable[..., Any]) -> None:
    """Where nothing is installed the canary says so, in one line."""
    with pytest.raises(CommandExecutionError, match="not installed here"):
        phagescan({"phagescan:user": "unit-nobody"}).canary()


def test_rule_faults(phagescan: Callable[..., Any]) -> None:
    """Each names the key; rules that compiled are not tried again before something has changed."""
    module = phagescan({"phagescan:engines:yara:rules": {"mine": "rule Mine {}"}})
    said = ["mine.yar(1): syntax error"]
    tried: list[tuple[dict[str, str], str]] = []
    known: dict[str, Any] = {}

    def faults(rules: dict[str, str], site: dict[str, Any], _python: Any) -> list[str]:
        tried.append((rules, site["user"]))
        return said

    module.__utils__ |= {
        "rules.faults": faults,
        "django_site.code": lambda _: "code",
        "django_site.recall": known.get,
        "django_site.remember": known.__setitem__,
    }
    assert module.rule_faults() == ["phagescan:engines:yara:rules: mine.yar(1): syntax error"]
    said.clear()
    assert module.rule_faults() == module.rule_faults() == []
    assert tried == [({"mine": "rule Mine {}"}, "avscan")] * 2


def test_version(phagescan: Callable[..., Any]) -> None:
    """It is about the tree that the states come from."""
    module = phagescan()
    module.__opts__["file_roots"] = {"base": ["/srv/tree/salt", "/srv/tree/formulas"]}
    module.__utils__["release.known"] = lambda checkout: {"tree": checkout}
    assert module.version() == {"tree": "/srv/tree"}


@pytest.mark.parametrize(("ok", "code"), [(True, None), (None, None), (False, 1)])
def test_status(phagescan: Callable[..., Any], ok: bool | None, code: int | None) -> None:
    """What the parts are is the answer, and the exit code tells whether one is broken."""
    module = phagescan()
    part: dict[str, Any] = {"ok": ok, "said": "said", "log": []}
    asked: list[Any] = []

    def parts(settings: dict[str, Any], roles: list[str], *_rest: Any) -> Any:
        asked.append((settings["phagescan"]["user"], settings["celery"]["workers"]["celeryd"]["user"], roles))
        return {"broker": part}

    module.__utils__["health.parts"] = parts
    assert module.status() == {"broker": part}
    assert module.__context__.get("retcode") == code
    assert asked == [("avuser", "avscan", ["master", "worker"])]


def test_status_of_a_faulty_pillar(phagescan: Callable[..., Any]) -> None:
    """Its faults are reported, and nothing else is looked at, as no one knows where."""
    module = phagescan({"phagescan:mode": "debug"})
    parts = module.status()
    assert list(parts) == ["pillar"]
    assert parts["pillar"]["ok"] is False
    assert parts["pillar"]["log"] == module.faults()
    assert module.__context__["retcode"] == 1


def test_status_does_not_mind_the_host(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """What only keeps a highstate from running is no fault of the pillar."""
    (tmp_path / "etc/nginx/conf.d").mkdir(parents=True)
    (tmp_path / "etc/nginx/conf.d/theirs.conf").write_text("server {}\n")
    module = phagescan()
    assert module.faults()
    assert module.faults(host=False) == []


def arriving(module: Any, note: str = "") -> list[str]:
    """Canaries that were sent; from now on each answers, and the page is where it should be."""
    module.__utils__["arrival.url"] = lambda *_: "http://192.0.2.7/"
    module.__utils__["arrival.knock"] = lambda *_: note
    module.__utils__["arrival.fingerprint"] = lambda path: f"of {path}"
    sent: list[str] = []

    def canary() -> str:
        sent.append("sent")
        return "canary ok: 1.2 s"

    module.__salt__["phagescan.canary"] = canary
    return sent


def test_arrival(phagescan: Callable[..., Any]) -> None:
    """The operator reads where to go, who to be, and the command that shows the password, not what it is."""
    module = phagescan()
    sent = arriving(module)
    canary, url, login, password, well = module.arrival().splitlines()
    assert canary == "canary ok: 1.2 s"
    assert url == "Phagescan Master: http://192.0.2.7/"
    assert login.endswith(" admin")
    assert password.endswith(" salt-call --local pillar.get phagescan:admin:password unmask=True")
    assert doctors.shipped()["phagescan"]["admin"]["password"] not in password
    assert well.endswith(" salt-call --local phagescan.status")
    assert module.arrival(canary=False).splitlines() == [url, login, password, well]
    assert sent == ["sent"]


def test_arrival_with_tls(phagescan: Callable[..., Any]) -> None:
    """Our own certificate is known by its fingerprint."""
    module = phagescan({"phagescan:tls": {"self_signed": True}})
    arriving(module)
    assert "\nCertificate:      SHA-256 of /etc/phagescan/tls/certificate.pem\n" in module.arrival()


def test_arrival_note(phagescan: Callable[..., Any]) -> None:
    """What is to be known of the address comes before it."""
    module = phagescan()
    arriving(module, note="not reached")
    assert module.arrival().splitlines()[1] == "Note: not reached"


def test_arrival_sends_no_canary(phagescan: Callable[..., Any]) -> None:
    """In development nothing runs that could answer; a worker has no pages."""
    module = phagescan({"phagescan:mode": "development"})
    sent = arriving(module, note="not asked")
    assert module.arrival().startswith("Phagescan Master: http://")
    module = phagescan({"phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"})
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


def test_preview(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """A preview counts on what make_pillar would write, and on the caller's pillar over that, and writes nothing."""
    module = phagescan({"phagescan:admin:password": REMOVED})
    module.__opts__["pillar_roots"] = {"base": [str(tmp_path)]}
    module.MASTER = str(tmp_path / "master.toml")
    given: list[Any] = []
    module.__salt__["state.highstate"] = lambda **arguments: given.append(arguments)
    module.preview()
    module.preview({"phagescan": {"tls": False}})
    first, second = given
    assert first.keys() == {"test", "concurrent", "pillar"}
    assert first["test"] is True
    assert len(first["pillar"]["phagescan"]["admin"]["password"]) == 24
    assert first["pillar"]["phagescan"]["tls"] == {"self_signed": True}
    assert second["pillar"]["phagescan"]["tls"] is False
    assert list(tmp_path.iterdir()) == []


def test_make_pillar(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """It writes both files once; a host that is a master keeps its way of being reached."""
    module = phagescan()
    module.__opts__["pillar_roots"] = {"base": [str(tmp_path)]}
    module.MASTER = str(tmp_path / "master.toml")
    assert module.make_pillar() == [f"{tmp_path}/credentials.sls", f"{tmp_path}/local.sls"]
    assert module.make_pillar() == []
    (tmp_path / "local.sls").unlink()
    Path(module.MASTER).touch()
    assert module.make_pillar() == []


def test_unreadable_pillar(phagescan: Callable[..., Any]) -> None:
    """A file that is no YAML is the one fault, and not what it would have said."""
    module = phagescan({"phagescan": REMOVED})
    module.__pillar__["_errors"] = ["Rendering SLS 'credentials' failed. Please see master log for details."]
    assert module.faults() == ["pillar: Rendering SLS 'credentials' failed. See what is above."]


@pytest.mark.parametrize(
    "grains", [{"osfinger": "Debian-11"}, {"osfinger": "Fedora-43", "os_family": "RedHat"}, {"osfinger": None}]
)
def test_unknown_system(phagescan: Callable[..., Any], grains: dict[str, Any]) -> None:
    """A system that is not known is the one fault, with what is known."""
    (fault,) = phagescan({"phagescan:mode": "debug"}, **grains).faults()
    assert fault.startswith(f"grain osfinger: {grains['osfinger']} ")
    assert "known: Debian-13, Debian-12, Ubuntu-24.04" in fault


def test_a_new_formula(phagescan: Callable[..., Any], minion: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """Its pillar is checked by its schema, its defaults counting, without an entry anywhere."""
    module = phagescan({"shop": {"prot": 1}})
    (tmp_path / "tree" / "shop").mkdir(parents=True)
    schema = {"type": "object", "properties": {"port": {"type": "integer"}}, "additionalProperties": False}
    (tmp_path / "tree/shop/schema.json").write_text(json.dumps(schema | {"required": ["port"]}))
    (tmp_path / "tree/shop/defaults.yaml").write_text("port: 80\n")
    assert module.faults() == []
    roots = [tmp_path / "tree", *(ROOT / name for name in ("salt", "formulas", "roots"))]
    made = minion(module.__pillar__, file_roots=roots)
    module.__salt__ |= {name: made.salt[name] for name in ("served.files", "settings.defaults")}
    assert module.faults() == ["shop:prot: is not a key; did you mean port?"]
