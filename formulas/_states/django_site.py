"""States of a Django project besides its code. `site` is the same dictionary for all of them:

root, virtualenv, user, environment, database (its name) and port (of the PostgreSQL cluster).
"""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]


def migrated(name: str, site: dict[str, Any]) -> dict[str, Any]:
    """Every migration of the installed applications is applied."""
    try:
        before = __utils__["django_site.database"](site, __utils__["psql.run_as"])["migrations"]
        code = __utils__["django_site.code"](site)
        if (__utils__["django_site.recall"]("migrated") or {}) == {"code": code, "migrations": sorted(before)}:
            return __utils__["results.clean"](name, "All migrations are applied.")
        if __opts__["test"]:
            return __utils__["results.pending"](
                name, {"migrations": "to be applied"}, "manage.py migrate would be run."
            )
        __utils__["django_site.manage"](site, "migrate", "--noinput")
        __utils__["django_site.forget"]()
        after = __utils__["django_site.database"](site, __utils__["psql.run_as"])["migrations"]
        __utils__["django_site.remember"]("migrated", {"code": code, "migrations": sorted(after)})
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    new = sorted(set(after) - set(before))
    return (
        __utils__["results.changed"](name, {"applied": new}, f"Applied {len(new)} migrations.")
        if new
        else __utils__["results.clean"](name, "Nothing to apply.")
    )


def superuser(name: str, site: dict[str, Any], password_key: str) -> dict[str, Any]:
    """Superuser `name` may log in with the password of `password_key` in pillar."""
    password = str(__salt__["pillar.get"](password_key, "", unmask=True))
    try:
        stored = __utils__["django_site.database"](site, __utils__["psql.run_as"])["superusers"].get(name)
        if stored and __utils__["django_site.recall"]("superuser") == __utils__["django_site.seal"](password, stored):
            return __utils__["results.clean"](name, f"{name} is a superuser with the password of {password_key}.")
        if __opts__["test"]:
            return __utils__["results.pending"](
                name, {name: "to be made a superuser"}, "manage.py ensure_admin would be run."
            )
        did = __utils__["django_site.manage"](site, "ensure_admin", name, stdin=password + "\n").strip()
        __utils__["django_site.forget"]()
        stored = __utils__["django_site.database"](site, __utils__["psql.run_as"])["superusers"][name]
        __utils__["django_site.remember"]("superuser", __utils__["django_site.seal"](password, stored))
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    return (
        __utils__["results.clean"](name, did)
        if did == "unchanged"
        else __utils__["results.changed"](name, {name: did}, f"Superuser {name} {did}.")
    )


def collected(name: str, site: dict[str, Any]) -> dict[str, Any]:
    """Directory `name` (STATIC_ROOT) holds the static files of the project and its applications, and no others."""
    try:
        before = __utils__["django_site.tree"](name)
        code = __utils__["django_site.code"](site)
        known = __utils__["django_site.recall"]("static")
        if known is None and any(path[-1] != "/" for path in before) and "staticfiles.json" not in before:
            raise CommandExecutionError(f"{name} holds files that are not ours: choose another directory, or empty it")
        known = _in_seconds(known or {"code": "", "files": {}})
        if before and known == {"code": code, "files": before}:
            return __utils__["results.clean"](name, f"{name} is collected.")
        if __opts__["test"]:
            return __utils__["results.pending"](
                name, {name: "to be collected"}, "manage.py collectstatic would be run."
            )
        __utils__["django_site.remember"]("static", known)  # from now on what is in there is ours
        # collectstatic takes a newer file for a good one, and leaves what it does not know.
        for path in before.keys() - {path for path, stat in known["files"].items() if before.get(path) == stat}:
            if not path.endswith("/"):
                pathlib.Path(name, path).unlink()
                continue
            shutil.chown(pathlib.Path(name, path), "root", "root")
            pathlib.Path(name, path).chmod(0o755)
        __utils__["django_site.manage"](site, "collectstatic", "--noinput", user="root")
        after = __utils__["django_site.tree"](name)
        __utils__["django_site.remember"]("static", {"code": code, "files": after})
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    different = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if not different:
        return __utils__["results.clean"](name, f"{name} is collected.")
    return __utils__["results.changed"](
        name, {name: f"{len(different)} files"}, f"Collected {len(different)} files into {name}."
    )


def mod_watch(name: str, sfun: str, **_kwargs: Any) -> dict[str, Any]:
    """What a preview says of code that is yet to change; in the run itself the state has seen it."""
    if __opts__["test"]:
        return __utils__["results.pending"](
            name, {name: f"to be {sfun} after the change"}, f"{name} would be {sfun} again."
        )
    return __utils__["results.clean"](name, f"{name} is {sfun}.")


def _in_seconds(known: dict[str, Any]) -> dict[str, Any]:
    """What was remembered; release 1.0 remembered the nanoseconds of modification times."""
    for stat in known["files"].values():
        if len(stat) == 4 and stat[3] > 10**12:
            stat[3] //= 10**9
    return known
