"""A Django project: migrated, with its superuser and its collected files."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import django_sites

PASSWORD = "unit-admin-0123456789"
COLLECTED = 1_700_000_000_123_456_789  # ns since 1970


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A project of one file, in a virtualenv of one distribution."""
    return django_sites.site(tmp_path)


class Project:
    """A database and a manage.py for the states; what they remember and compute is real."""

    def __init__(self, load: Callable[..., Any], made: SimpleNamespace, static: Path) -> None:
        self.rows: dict[str, Any] = {"migrations": [], "superusers": {}}
        self.did: list[str] = []
        self.fails = ""
        self.given: dict[str, str] = {}
        self.static, self.context = static, made.context
        real = {
            f"django_site.{name}": made.utils[f"django_site.{name}"]
            for name in ("code", "recall", "remember", "seal", "tree")
        }
        self.state = load(
            "_states/django_site",
            __opts__={"test": made.opts["test"]},
            __salt__={"pillar.get": made.salt["pillar.get"]},
            __utils__={
                **real,
                "django_site.database": lambda _site, _run: self.rows,
                "django_site.manage": self.manage,
                "django_site.forget": lambda: None,
                "psql.run_as": None,
            },
        )

    def change(self, site: dict[str, Any]) -> None:
        """New code, as another run finds it."""
        Path(site["root"], "app", "models.py").write_text("new\n")
        self.context.clear()

    def manage(self, _site: dict[str, Any], verb: str, *arguments: str, stdin: str = "", user: str = "") -> str:
        """What Django does."""
        self.did.append(" ".join([verb, *arguments, *([f"as {user}"] if user else [])]))
        if self.fails:
            raise CommandExecutionError(self.fails)
        if verb == "migrate":
            self.rows = self.rows | {"migrations": ["b.0001", "a.0001"]}
        if verb == "collectstatic":
            self.static.mkdir(exist_ok=True)
            if not (self.static / "style.css").exists():  # a file that is not older is taken for a good one
                (self.static / "style.css").write_text("body")
                os.utime(self.static / "style.css", ns=(COLLECTED, COLLECTED))
        if verb == "ensure_admin":
            (name,) = arguments
            new = name not in self.rows["superusers"]
            self.given[name] = stdin
            self.rows = self.rows | {"superusers": {name: f"hash of {stdin}"}}
            return "created\n" if new else "updated\n"
        return ""


@pytest.fixture
def project(load: Callable[..., Any], minion: Callable[..., SimpleNamespace], tmp_path: Path) -> Callable[..., Project]:
    """Makes a project of a minion whose pillar has the admin's password."""

    def make(password: str = PASSWORD, *, test: bool = False) -> Project:
        return Project(load, minion({"app": {"password": password}}, test=test), tmp_path / "static")

    return make


def test_migrated(project: Callable[..., Project], site: dict[str, Any]) -> None:
    """migrate runs when code or database are not what it left, and not otherwise."""
    django = project()
    first = django.state.migrated("shop", site)
    assert (first["result"], first["changes"]) == (True, {"applied": ["a.0001", "b.0001"]})
    assert django.state.migrated("shop", site)["changes"] == {}
    assert len(django.did) == 1
    django.change(site)
    assert django.state.migrated("shop", site)["changes"] == {}
    assert len(django.did) == 2
    django.rows["migrations"].pop()
    assert django.state.migrated("shop", site)["changes"]


def test_superuser(project: Callable[..., Project], site: dict[str, Any]) -> None:
    """The password goes in on standard input, and once; another in pillar or in the database is set again."""
    django = project()
    first = django.state.superuser("admin", site, "app:password")
    assert (first["result"], first["changes"]) == (True, {"admin": "created"})
    assert (django.given, django.did) == ({"admin": PASSWORD + "\n"}, ["ensure_admin admin"])
    assert PASSWORD not in str(first)
    assert django.state.superuser("admin", site, "app:password")["changes"] == {}
    assert len(django.did) == 1
    django.rows["superusers"]["admin"] = "hash of another"
    assert django.state.superuser("admin", site, "app:password")["changes"] == {"admin": "updated"}
    other = project("another-0123456789")
    other.rows = django.rows
    assert other.state.superuser("admin", site, "app:password")["changes"] == {"admin": "updated"}
    django.rows["superusers"].clear()
    assert django.state.superuser("admin", site, "app:password")["changes"] == {"admin": "created"}


def test_collected(project: Callable[..., Project], site: dict[str, Any], tmp_path: Path) -> None:
    """Files that were changed, added or removed by hand are collected again; new code is, too, and may change none."""
    django, name = project(), str(tmp_path / "static")
    first = django.state.collected(name, site)
    assert first["result"], first["comment"]
    assert list(first["changes"]) == [name]
    assert django.did == ["collectstatic --noinput as root"]
    assert django.state.collected(name, site)["changes"] == {}
    for drift in ("edit", "add", "remove", "mode"):
        match drift:
            case "edit":
                (tmp_path / "static" / "style.css").write_text("edit")
            case "add":
                (tmp_path / "static" / "extra.css").touch()
            case "remove":
                (tmp_path / "static" / "style.css").unlink()
            case "mode":
                (tmp_path / "static" / "style.css").chmod(0o600)
        assert django.state.collected(name, site)["changes"], drift
        assert os.listdir(name) == ["style.css"]
        assert (tmp_path / "static" / "style.css").read_text() == "body"
        assert django_sites.mode(tmp_path / "static" / "style.css") != 0o600
        assert django.state.collected(name, site)["changes"] == {}, drift
    django.change(site)
    for _ in range(2):
        assert django.state.collected(name, site)["result"]
    assert len(django.did) == 6


@pytest.mark.parametrize("copied", [COLLECTED // 10**9 * 10**9, COLLECTED], ids=["whole seconds", "as it was"])
@pytest.mark.parametrize("remembered", ["seconds", "nanoseconds"])
def test_collected_of_a_copy(
    project: Callable[..., Project], site: dict[str, Any], tmp_path: Path, copied: int, remembered: str
) -> None:
    """A copy's times have lost their fractions: nothing is collected again, nor is it on a host of release 1.0."""
    django, name = project(), str(tmp_path / "static")
    assert django.state.collected(name, site)["changes"]
    if remembered == "nanoseconds":
        memory = tmp_path / "cache" / "django_site" / "static.json"
        memory.write_text(memory.read_text().replace(str(COLLECTED // 10**9), str(COLLECTED)))
        assert str(COLLECTED) in memory.read_text()
    os.utime(tmp_path / "static" / "style.css", ns=(copied, copied))
    assert django.state.collected(name, site)["changes"] == {}
    assert len(django.did) == 1
    os.utime(tmp_path / "static" / "style.css", ns=(copied + 10**9, copied + 10**9))
    assert django.state.collected(name, site)["changes"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a directory away")
@pytest.mark.parametrize("folder", [".", "deep"])
def test_collected_into_directories_of_root(
    project: Callable[..., Project], site: dict[str, Any], tmp_path: Path, folder: str
) -> None:
    """A directory that another may write to, or that nginx may not read, is root's and readable again."""
    django, name = project(), str(tmp_path / "static")
    (tmp_path / "static" / "deep").mkdir(parents=True)
    assert django.state.collected(name, site)["result"]
    path = tmp_path / "static" / folder
    for spoil in (lambda: os.chown(path, 65534, 65534), lambda: path.chmod(0o700), lambda: path.chmod(0o777)):
        spoil()
        assert django.state.collected(name, site)["changes"]
        assert (path.stat().st_uid, path.stat().st_gid, django_sites.mode(path)) == (0, 0, 0o755)
        assert django.state.collected(name, site)["changes"] == {}


@pytest.mark.parametrize("test", [True, False])
def test_collected_refuses_what_is_not_ours(
    project: Callable[..., Project], site: dict[str, Any], tmp_path: Path, test: bool
) -> None:
    """A directory that holds somebody's files is not touched, in no run; an empty one or an earlier one of ours
    may be.
    """
    django, name = project(test=test), str(tmp_path / "static")
    (tmp_path / "static").mkdir(mode=0o755)
    (tmp_path / "static" / "theirs.txt").write_text("theirs")
    for _ in range(2):
        result = django.state.collected(name, site)
        assert (result["result"], result["changes"]) == (False, {})
        assert f"{name} holds files that are not ours" in result["comment"]
    assert (tmp_path / "static" / "theirs.txt").read_text() == "theirs"
    assert django.did == []
    (tmp_path / "static" / "theirs.txt").unlink()
    assert django.state.collected(name, site)["result"] is (None if test else True)


def test_collected_after_a_kill(project: Callable[..., Project], site: dict[str, Any], tmp_path: Path) -> None:
    """Half of a collection is ours: the next run completes it. So is one whose memory was lost with Salt's cache."""
    django, name = project(), str(tmp_path / "static")
    django.fails = "manage.py: killed"
    assert django.state.collected(name, site)["result"] is False
    (tmp_path / "static").mkdir(mode=0o755)
    (tmp_path / "static" / "half.css").touch()
    django.fails = ""
    assert django.state.collected(name, site)["result"]
    assert os.listdir(name) == ["style.css"]
    (tmp_path / "static" / "staticfiles.json").touch()
    (tmp_path / "cache" / "django_site" / "static.json").unlink()
    assert django.state.collected(name, site)["result"]


@pytest.mark.parametrize("test", [True, False])
def test_mod_watch(project: Callable[..., Project], test: bool) -> None:
    """Code that is yet to change is reported by a preview; a run has seen it."""
    django = project(test=test)
    for name in ("migrated", "collected"):
        result = django.state.mod_watch("name", sfun=name)
        assert result["result"] is (None if test else True)
        assert bool(result["changes"]) == test
    assert django.did == []


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("name", ["migrated", "superuser", "collected"])
def test_preview_and_failure(
    project: Callable[..., Project], site: dict[str, Any], tmp_path: Path, name: str, test: bool
) -> None:
    """A preview runs nothing and says so; a failure is reported and not taken for done."""
    django = project(test=test)
    django.fails = "manage.py: reason"
    arguments = {"site": site, **({"password_key": "app:password"} if name == "superuser" else {})}
    for _ in range(2):
        result = getattr(django.state, name)(str(tmp_path / "static"), **arguments)
        assert result["result"] is (None if test else False)
        assert bool(result["changes"]) == test
        assert test or (result["comment"] == "manage.py: reason" and result["skip_watch"])
        assert PASSWORD not in str(result)
    assert len(django.did) == (0 if test else 2)
