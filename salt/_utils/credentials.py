"""What a new host's pillar lacks: a random password for every login that it names, and TLS. Written once."""

import os
import pathlib
import secrets
from collections.abc import Callable
from typing import Any

import yaml

HEADS = {
    "credentials.sls": """\
#!yaml
# Made by bootstrap; credentials.sls.sample says what each is for. Never commit this file.
""",
    "local.sls": """\
#!yaml
# What this site sets; local.sls.sample shows the form. Made by bootstrap: without `tls: false` in place of the mapping
# below, or a certificate of yours, passwords do not cross the network in clear.
""",
}


class _Dumper(yaml.SafeDumper):
    """Quotes passwords: YAML would take some for numbers."""


class _Password(str):
    """Text that is written in quotes."""


_Dumper.add_representer(_Password, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "'"))


def lacking(folder: str, get: Callable[..., Any], new_master: bool) -> dict[str, dict[str, Any]]:
    """The files that are to be written into a folder of pillar, with what is in them.

    One that exists is the operator's. TLS is for a host that has no master yet: others keep what they have.
    """
    files = {}
    if not os.path.lexists(f"{folder}/credentials.sls"):
        files["credentials.sls"] = missing(get)
    if new_master and get("phagescan:tls", None) is None and not os.path.lexists(f"{folder}/local.sls"):
        files["local.sls"] = {"phagescan": {"tls": {"self_signed": True}}}
    return files


def missing(get: Callable[..., Any]) -> dict[str, Any]:
    """A pillar of what has no password yet: users of the broker, roles of the database, the admin; and the secret key.

    `get` is a pillar.get.
    """
    found: dict[str, Any] = {}
    for namespace, table in (("rabbitmq", "users"), ("postgresql", "roles")):
        logins = get(f"{namespace}:{table}", None)
        entries = logins.items() if isinstance(logins, dict) else ()  # it was not checked yet
        names = [name for name, login in entries if isinstance(login or {}, dict) and not (login or {}).get("password")]
        if names:
            found[namespace] = {table: {name: {"password": _Password(secrets.token_hex(24))} for name in names}}
    phagescan: dict[str, Any] = {}
    if not get("phagescan:admin:password", None):
        phagescan["admin"] = {"password": _Password(secrets.token_hex(12))}
    if not get("phagescan:secret_key", None):
        phagescan["secret_key"] = _Password(secrets.token_hex(40))
    return found | ({"phagescan": phagescan} if phagescan else {})


def write(path: str, pillar: dict[str, Any]) -> None:
    """Write a file that only its owner reads. It is on the disk, whole, before what is in it goes anywhere else."""
    new = pathlib.Path(f"{path}.new")
    new.unlink(missing_ok=True)  # of a run that was killed
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(HEADS[os.path.basename(path)] + yaml.dump(pillar, Dumper=_Dumper, sort_keys=False))
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    folder = os.open(new.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
