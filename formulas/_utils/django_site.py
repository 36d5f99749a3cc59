"""What a Django project needs besides its code: migrations applied, static files collected, a superuser.

Starting Django costs a second, so what there is is read from the database and the disk, and manage.py runs only
when something differs from what it left the last time.
"""

import hashlib
import hmac
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import programs
from programs import Done, reason
from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]

DATABASE = """
SELECT to_regclass('django_migrations') IS NOT NULL AND to_regclass('auth_user') IS NOT NULL AS present \\gset
\\if :present
SELECT json_build_object(
  'migrations', (SELECT json_agg(app || '.' || name) FROM django_migrations),
  'superusers', (SELECT json_object_agg(username, password) FROM auth_user
                 WHERE is_superuser AND is_staff AND is_active));
\\endif
"""


def manage(site: dict[str, Any], *arguments: str, user: str | None = None, stdin: str = "") -> str:
    """Standard output of `manage.py`, run as the site's user (or `user`), with `stdin` for what must not be an
    argument.
    """
    done = python(site, "manage.py", *arguments, user=user, stdin=stdin)
    if done.returncode:
        raise CommandExecutionError(f"manage.py {arguments[0]}: {reason(done.stderr, done.stdout)}")
    return done.stdout


def python(
    site: dict[str, Any], *arguments: str, user: str | None = None, stdin: str = "", timeout: float | None = None
) -> Done:
    """How the site's Python ended, run in its root as its user (or `user`)."""
    name = user or site["user"]
    return programs.run(
        [f"{site['virtualenv']}/bin/python", *arguments],
        cwd=site["root"],
        user=name,
        group=name,
        extra_groups=[],
        umask=0o022,
        env={"PATH": f"{site['virtualenv']}/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **site["environment"]},
        stdin=stdin,
        timeout=timeout,
    )


def database(site: dict[str, Any], run: Callable[..., list[Any]]) -> dict[str, Any]:
    """Applied migrations (`app.name`) and active superusers (name to password hash), read with psql.run_as.

    Nothing where there is no table yet, and in a preview where there is no database.
    """
    if "django_site" not in __context__:
        empty: dict[str, Any] = {"migrations": [], "superusers": {}}
        try:
            rows = run(site["user"], DATABASE, site["port"], site["database"])
        except CommandExecutionError:
            if not __opts__["test"]:
                raise
            rows = []
        __context__["django_site"] = rows[0] if rows else empty
        for key, nothing in empty.items():
            __context__["django_site"][key] = __context__["django_site"][key] or nothing
    return __context__["django_site"]


def forget() -> None:
    """Read the database again the next time: it was changed."""
    __context__.pop("django_site", None)


def code(site: dict[str, Any]) -> str:
    """Fingerprint of the project's files and of the installed distributions, which this run has put there before."""
    key = f"django_site.code.{site['root']}"
    if key in __context__:
        return __context__[key]
    digest = hashlib.sha256()
    root = pathlib.Path(site["root"])
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(files):
        digest.update(f"{path}\0".encode() + path.read_bytes())
    for path in sorted(pathlib.Path(site["virtualenv"], "lib").glob("python*/site-packages/*.dist-info")):
        digest.update(path.name.encode())
    __context__[key] = digest.hexdigest()
    return __context__[key]


def tree(directory: str) -> dict[str, list[int]]:
    """What a change shows in: mode and owner of each directory (`name/`) and file, size and time of each file.

    Times are whole seconds: archives and images of containers keep no more.
    """
    found = {}
    for folder, _folders, files in os.walk(directory):
        stat = os.stat(folder)
        found[os.path.relpath(folder, directory) + "/"] = [stat.st_mode, stat.st_uid]
        for name in files:
            stat = os.lstat(os.path.join(folder, name))
            path = os.path.relpath(os.path.join(folder, name), directory)
            found[path] = [stat.st_mode, stat.st_uid, stat.st_size, stat.st_mtime_ns // 10**9]
    return found


def recall(what: str) -> Any:
    """What `remember` was last given under this name, or None."""
    try:
        return json.loads(_memory(what).read_text())
    except (OSError, ValueError):
        return None


def remember(what: str, value: Any) -> None:
    """Keep `value` (JSON) for the next run, readable by root only. A run that is killed leaves the old one or the
    new.
    """
    path = _memory(what)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    with new.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def seal(password: str, stored: str) -> str:
    """Digest that says: the hash `stored` in the database was made from `password` (PBKDF2 itself takes half a
    second).
    """
    return hmac.digest(stored.encode(), password.encode(), "sha256").hex()


def _memory(what: str) -> pathlib.Path:
    return pathlib.Path(__opts__["cachedir"], "django_site", f"{what}.json")
