"""States of a Django project besides its code. `site` is the same dictionary for all of them:

root, virtualenv, user, environment, database (its name) and port (of the PostgreSQL cluster).
"""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]


def migrated(name: str, site: dict[str, Any]) -> dict[str, Any]:
    """Every migration of the installed applications is applied."""
    module = "django_site"
    try:
        before = __salt__[f"{module}.database"](site)["migrations"]
        code = __salt__[f"{module}.code"](site)
        if (__salt__[f"{module}.recall"]("migrated") or {}) == {"code": code, "migrations": sorted(before)}:
            return _clean(name, "All migrations are applied.")
        if __opts__["test"]:
            return _pending(name, {"migrations": "to be applied"}, "manage.py migrate would be run.")
        __salt__[f"{module}.manage"](site, "migrate", "--noinput")
        __context__.pop("django_site", None)
        after = __salt__[f"{module}.database"](site)["migrations"]
        __salt__[f"{module}.remember"]("migrated", {"code": code, "migrations": sorted(after)})
    except CommandExecutionError as error:
        return _failed(name, error)
    new = sorted(set(after) - set(before))
    return (
        _changed(name, {"applied": new}, f"Applied {len(new)} migrations.")
        if new
        else _clean(name, "Nothing to apply.")
    )


def superuser(name: str, site: dict[str, Any], password_key: str) -> dict[str, Any]:
    """Superuser `name` may log in with the password that stands under `password_key` in pillar."""
    module = "django_site"
    password = str(__salt__["pillar.get"](password_key, "", unmask=True))
    try:
        stored = __salt__[f"{module}.database"](site)["superusers"].get(name)
        if stored and __salt__[f"{module}.recall"]("superuser") == __salt__[f"{module}.seal"](password, stored):
            return _clean(name, f"{name} is a superuser with the password of {password_key}.")
        if __opts__["test"]:
            return _pending(name, {name: "to be made a superuser"}, "manage.py ensure_admin would be run.")
        did = __salt__[f"{module}.manage"](site, "ensure_admin", name, stdin=password + "\n").strip()
        __context__.pop("django_site", None)
        stored = __salt__[f"{module}.database"](site)["superusers"][name]
        __salt__[f"{module}.remember"]("superuser", __salt__[f"{module}.seal"](password, stored))
    except CommandExecutionError as error:
        return _failed(name, error)
    return _clean(name, did) if did == "unchanged" else _changed(name, {name: did}, f"Superuser {name} {did}.")


def collected(name: str, site: dict[str, Any]) -> dict[str, Any]:
    """Directory `name` (STATIC_ROOT) holds the static files of the project and its applications, and no others."""
    module = "django_site"
    try:
        before = __salt__[f"{module}.tree"](name)
        code = __salt__[f"{module}.code"](site)
        known = __salt__[f"{module}.recall"]("static")
        if known is None and any(path[-1] != "/" for path in before) and "staticfiles.json" not in before:
            raise CommandExecutionError(f"{name} holds files that are not ours: choose another directory, or empty it")
        known = _in_seconds(known or {"code": "", "files": {}})
        if before and known == {"code": code, "files": before}:
            return _clean(name, f"{name} is collected.")
        if __opts__["test"]:
            return _pending(name, {name: "to be collected"}, "manage.py collectstatic would be run.")
        __salt__[f"{module}.remember"]("static", known)  # from now on what is in there is ours
        # collectstatic takes a newer file for a good one, and leaves what it does not know.
        for path in before.keys() - {path for path, stat in known["files"].items() if before.get(path) == stat}:
            if not path.endswith("/"):
                pathlib.Path(name, path).unlink()
                continue
            shutil.chown(pathlib.Path(name, path), "root", "root")
            pathlib.Path(name, path).chmod(0o755)
        __salt__[f"{module}.manage"](site, "collectstatic", "--noinput", user="root")
        after = __salt__[f"{module}.tree"](name)
        __salt__[f"{module}.remember"]("static", {"code": code, "files": after})
    except CommandExecutionError as error:
        return _failed(name, error)
    different = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if not different:
        return _clean(name, f"{name} is collected.")
    return _changed(name, {name: f"{len(different)} files"}, f"Collected {len(different)} files into {name}.")


def mod_watch(name: str, sfun: str, **_kwargs: Any) -> dict[str, Any]:
    """What a preview says of code that is yet to change; in the run itself the state has seen it."""
    if __opts__["test"]:
        return _pending(name, {name: f"to be {sfun} after the change"}, f"{name} would be {sfun} again.")
    return _clean(name, f"{name} is {sfun}.")


def _in_seconds(known: dict[str, Any]) -> dict[str, Any]:
    """What was remembered; release 1.0 remembered the nanoseconds of modification times."""
    for stat in known["files"].values():
        if len(stat) == 4 and stat[3] > 10**12:
            stat[3] //= 10**9
    return known


def _clean(name: str, comment: str) -> dict[str, Any]:
    return {"name": name, "result": True, "changes": {}, "comment": comment}


def _pending(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    return {"name": name, "result": None, "changes": changes, "comment": comment}


def _changed(name: str, changes: dict[str, Any], comment: str) -> dict[str, Any]:
    return {"name": name, "result": True, "changes": changes, "comment": comment}


def _failed(name: str, error: Exception) -> dict[str, Any]:
    return {"name": name, "result": False, "changes": {}, "comment": str(error), "skip_watch": True}
