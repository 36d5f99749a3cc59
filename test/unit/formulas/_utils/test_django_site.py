"""What is known of a Django project between two runs, and what its manage.py is asked."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import django_sites

PASSWORD = "unit-admin-0123456789"


@pytest.fixture
def site(tmp_path: Path) -> dict[str, Any]:
    """A project of one file, in a virtualenv of one distribution."""
    return django_sites.site(tmp_path)


def test_remember(minion: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """What is remembered is recalled, and only root can read it, whatever the umask."""
    module = minion().utils
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
    assert (django_sites.mode(path), django_sites.mode(path.parent)) == (0o600, 0o700)


def test_remember_is_cut_off(minion: Callable[..., SimpleNamespace]) -> None:
    """A run that ends while it remembers leaves what was remembered before."""
    module = minion().utils
    module["django_site.remember"]("static", {"files": {"a": [1, 2]}})
    with pytest.raises(TypeError):
        module["django_site.remember"]("static", {"files": {"b": [1, 2]}, "half": object()})
    assert module["django_site.recall"]("static") == {"files": {"a": [1, 2]}}


def test_recall_of_half_a_file(minion: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """What an interrupted run left behind is nothing."""
    (tmp_path / "cache" / "django_site").mkdir(parents=True)
    (tmp_path / "cache" / "django_site" / "static.json").write_text('{"code": "')
    assert minion().utils["django_site.recall"]("static") is None


def test_seal(load: Callable[..., Any]) -> None:
    """A seal holds for one password and one stored hash, and shows neither."""
    seal = load("_utils/django_site").seal
    assert seal(PASSWORD, "pbkdf2$x") == seal(PASSWORD, "pbkdf2$x")
    assert len({seal(PASSWORD, "pbkdf2$x"), seal(PASSWORD, "pbkdf2$y"), seal("other", "pbkdf2$x")}) == 3
    assert PASSWORD not in seal(PASSWORD, "pbkdf2$x")


def test_code(load: Callable[..., Any], site: dict[str, Any]) -> None:
    """The fingerprint changes with a file's content, its name and the distributions, and not with compiled files."""

    def code(site: dict[str, Any]) -> str:
        return load("_utils/django_site", __context__={}).code(site)

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


def test_code_is_read_once(load: Callable[..., Any], site: dict[str, Any]) -> None:
    """Within a run, whose states come after the code, the fingerprint is remembered."""
    module = load("_utils/django_site", __context__={})
    first = module.code(site)
    Path(site["root"], "app", "models.py").unlink()
    assert module.code(site) == first
    assert load("_utils/django_site", __context__={}).code(site) != first


def test_tree(load: Callable[..., Any], tmp_path: Path) -> None:
    """Directories by mode and owner, files by size and time as well; nothing where it is missing."""
    tree = load("_utils/django_site").tree
    assert tree(str(tmp_path / "none")) == {}
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "style.css").write_text("body")
    os.utime(tmp_path / "deep" / "style.css", ns=(5, 7_999_999_999))
    for path, bits in (("", 0o700), ("deep", 0o750), ("deep/style.css", 0o640)):
        (tmp_path / path).chmod(bits)
    user = os.getuid()
    assert tree(str(tmp_path)) == {
        "./": [stat.S_IFDIR | 0o700, user],
        "deep/": [stat.S_IFDIR | 0o750, user],
        "deep/style.css": [stat.S_IFREG | 0o640, user, 4, 7],
    }


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_manage(load: Callable[..., Any], site: dict[str, Any]) -> None:
    """manage.py runs in the project root; what must not be an argument comes on standard input; a failure is raised."""
    manage = load("_utils/django_site").manage
    python = Path(site["virtualenv"], "bin", "python")
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\necho "$UNIT $* $(pwd) $(umask)"\ncat\n[ "$2" != fail ] || { echo why >&2; exit 1; }\n'
    )
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
        ([{"migrations": None, "superusers": None}], {"migrations": [], "superusers": {}}),
    ],
)
def test_database(
    load: Callable[..., Any], site: dict[str, Any], rows: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    """No tables, or empty ones, are no migrations and no superusers; the database is asked once."""
    asked = []

    def run(_user: str, _script: str, port: int, database: str) -> list[dict[str, Any]]:
        asked.append((port, database))
        return rows

    module = load(
        "_utils/django_site",
        __context__={},
        __opts__={"test": False},
    )
    assert module.database(site, run) == module.database(site, run) == expected
    assert asked == [(5432, "shop")]
    module.forget()
    assert module.database(site, run) == expected
    assert len(asked) == 2


@pytest.mark.parametrize("test", [True, False])
def test_database_that_does_not_answer(load: Callable[..., Any], site: dict[str, Any], test: bool) -> None:
    """In a preview the server may be yet to start; in a run that is a failure."""

    def run(*_arguments: Any) -> list[Any]:
        raise CommandExecutionError("PostgreSQL on port 5432: refused")

    module = load(
        "_utils/django_site",
        __context__={},
        __opts__={"test": test},
    )
    if test:
        assert module.database(site, run) == {"migrations": [], "superusers": {}}
    else:
        with pytest.raises(CommandExecutionError, match="refused"):
            module.database(site, run)
