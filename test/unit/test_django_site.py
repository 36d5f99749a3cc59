"""A Django project's migrations, superuser and static files: what is remembered, and when manage.py runs."""

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

PASSWORD = "unit-admin-0123456789"


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A project of one file, in a virtualenv of one distribution."""
    (tmp_path / "root" / "app").mkdir(parents=True)
    (tmp_path / "root" / "app" / "models.py").write_text("first\n")
    (tmp_path / "env" / "lib" / "python3.11" / "site-packages" / "django-5.2.dist-info").mkdir(parents=True)
    user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "root": str(tmp_path / "root"),
        "virtualenv": str(tmp_path / "env"),
        "user": user,
        "environment": {"UNIT": "environment"},
        "database": "shop",
        "port": 5432,
    }


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_remember(minion: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """What is remembered is recalled, and only root can read it, whatever the umask."""
    module = minion().salt
    assert module["django_site.recall"]("static") is None
    before = os.umask(0)
    try:
        module["django_site.remember"]("static", {"files": {"a": [1, 2]}})
        module["django_site.remember"]("static", {"files": {"b": [1, 2]}})
    finally:
        os.umask(before)
    assert module["django_site.recall"]("static") == {"files": {"b": [1, 2]}}
    assert module["django_site.recall"]("migrated") is None
    path = tmp_path / "cache" / "django_site" / "static.json"
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_recall_of_half_a_file(minion: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """What an interrupted run left behind is nothing."""
    (tmp_path / "cache" / "django_site").mkdir(parents=True)
    (tmp_path / "cache" / "django_site" / "static.json").write_text('{"code": "')
    assert minion().salt["django_site.recall"]("static") is None


def test_seal(load: Callable[..., ModuleType]) -> None:
    """A seal holds for one password and one stored hash, and shows neither."""
    seal = load("_modules/django_site").seal
    assert seal(PASSWORD, "pbkdf2$x") == seal(PASSWORD, "pbkdf2$x")
    assert len({seal(PASSWORD, "pbkdf2$x"), seal(PASSWORD, "pbkdf2$y"), seal("other", "pbkdf2$x")}) == 3
    assert PASSWORD not in seal(PASSWORD, "pbkdf2$x")


def test_code(load: Callable[..., ModuleType], site: dict[str, Any]) -> None:
    """The fingerprint changes with a file's content, its name and the distributions, and not with compiled files."""
    code = load("_modules/django_site").code
    root, packages = Path(site["root"]), Path(site["virtualenv"], "lib/python3.11/site-packages")
    seen = [code(site)]
    (root / "app" / "__pycache__").mkdir()
    (root / "app" / "__pycache__" / "models.pyc").write_text("compiled")
    assert code(site) == seen[0]
    (root / "app" / "models.py").write_text("second\n")
    seen.append(code(site))
    (root / "app" / "models.py").rename(root / "app" / "others.py")
    seen.append(code(site))
    (packages / "django-5.2.dist-info").rename(packages / "django-5.2.1.dist-info")
    seen.append(code(site))
    assert len(set(seen)) == 4


def test_tree(load: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Files below a directory by size and time; nothing where it is missing."""
    tree = load("_modules/django_site").tree
    assert tree(str(tmp_path / "none")) == {}
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "style.css").write_text("body")
    os.utime(tmp_path / "deep" / "style.css", ns=(5, 7))
    assert tree(str(tmp_path)) == {"deep/style.css": [4, 7]}


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_manage(load: Callable[..., ModuleType], site: dict[str, Any]) -> None:
    """manage.py runs in the project root; what must not be an argument comes on standard input; a failure is told."""
    manage = load("_modules/django_site").manage
    python = Path(site["virtualenv"], "bin", "python")
    python.parent.mkdir()
    python.write_text('#!/bin/sh\necho "$UNIT $* $(pwd) $(umask)"\ncat\n[ "$2" != fail ] || { echo why >&2; exit 1; }\n')
    python.chmod(0o755)
    said = manage(site, "ensure_admin", "admin", stdin=PASSWORD)
    assert said == f"environment manage.py ensure_admin admin {site['root']} 0022\n{PASSWORD}"
    with pytest.raises(CommandExecutionError, match=r"^manage\.py fail: why$"):
        manage(site, "fail", stdin=PASSWORD)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], {"migrations": [], "superusers": {}}),
        (
            [{"migrations": ["app.0001"], "superusers": None}],
            {"migrations": ["app.0001"], "superusers": {}},
        ),
        pytest.param(
            [{"migrations": None, "superusers": None}],
            {"migrations": [], "superusers": {}},
            marks=pytest.mark.xfail(strict=True, reason="json_agg of no rows is null for the migrations as well"),
        ),
    ],
)
def test_database(
    load: Callable[..., ModuleType], site: dict[str, Any], rows: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    """No tables, or empty ones, are no migrations and no superusers; the database is asked once."""
    asked = []
    module = load(
        "_modules/django_site",
        __context__={},
        __opts__={"test": False},
        __salt__={"postgresql_topology.installed": lambda: True},
        __utils__={"psql.run": lambda _script, port, database: asked.append((port, database)) or rows},
    )
    assert module.database(site) == module.database(site) == expected
    assert asked == [(5432, "shop")]


class Project:
    """A database and a manage.py for the states; what they remember and compute is real."""

    def __init__(self, load: Callable[..., ModuleType], made: SimpleNamespace, static: Path) -> None:
        self.rows: dict[str, Any] = {"migrations": [], "superusers": {}}
        self.did: list[str] = []
        self.fails = ""
        self.given: dict[str, str] = {}
        self.static = static
        real = {
            f"django_site.{name}": made.salt[f"django_site.{name}"] for name in ("code", "recall", "remember", "seal", "tree")
        }
        self.state = load(
            "_states/django_site",
            __context__={},
            __opts__={"test": made.opts["test"]},
            __salt__={
                **real,
                "django_site.database": lambda _site: self.rows,
                "django_site.manage": self.manage,
                "pillar.get": made.salt["pillar.get"],
            },
        )

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
        if verb == "ensure_admin":
            (name,) = arguments
            new = name not in self.rows["superusers"]
            self.given[name] = stdin
            self.rows = self.rows | {"superusers": {name: f"hash of {stdin}"}}
            return "created\n" if new else "updated\n"
        return ""


@pytest.fixture
def project(load: Callable[..., ModuleType], minion: Callable[..., SimpleNamespace], tmp_path: Path) -> Callable[..., Project]:
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
    Path(site["root"], "app", "models.py").write_text("new\n")
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


def test_static(project: Callable[..., Project], site: dict[str, Any], tmp_path: Path) -> None:
    """Files that were changed, added or removed by hand are collected anew; new code is, too, and may change none."""
    django, name = project(), str(tmp_path / "static")
    assert django.state.static(name, site)["changes"] == {name: "1 files"}
    assert django.did == ["collectstatic --noinput as root"]
    assert django.state.static(name, site)["changes"] == {}
    for drift in ("edit", "add", "remove"):
        match drift:
            case "edit":
                (tmp_path / "static" / "style.css").write_text("edit")
            case "add":
                (tmp_path / "static" / "extra.css").touch()
            case "remove":
                (tmp_path / "static" / "style.css").unlink()
        assert django.state.static(name, site)["changes"], drift
        assert os.listdir(name) == ["style.css"]
        assert (tmp_path / "static" / "style.css").read_text() == "body"
        assert django.state.static(name, site)["changes"] == {}, drift
    Path(site["root"], "app", "models.py").write_text("new\n")
    for _ in range(2):
        assert django.state.static(name, site)["result"]
    assert len(django.did) == 5


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("name", ["migrated", "superuser", "static"])
def test_preview_and_failure(
    project: Callable[..., Project], site: dict[str, Any], tmp_path: Path, name: str, test: bool
) -> None:
    """A preview runs nothing and says so; a failure is told and not taken for done."""
    django = project(test=test)
    django.fails = "manage.py: reason"
    arguments = {"site": site, **({"password_key": "app:password"} if name == "superuser" else {})}
    for _ in range(2):
        result = getattr(django.state, name)(str(tmp_path / "static"), **arguments)
        assert result["result"] is (None if test else False)
        assert bool(result["changes"]) == test
        assert test or result["comment"] == "manage.py: reason"
        assert PASSWORD not in str(result)
    assert len(django.did) == (0 if test else 2)
