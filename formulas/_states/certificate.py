"""States of certificates for TLS. No key is an argument, a reported change or a comment."""

import grp
import os
import pathlib
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__grains__: dict[str, Any]
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]


def self_signed(name: str, key: str, hosts: list[str]) -> dict[str, Any]:
    """File `name` holds a certificate for this host, signed by the private key in file `key`.

    It is for this host's names and addresses, as they are when it is made, and for `hosts`. It is made again 30 days
    before it expires, when one of the two files is missing or damaged, and when it lacks one of `hosts`.
    """
    why = __utils__["certificates.renewal_reason"](name, key, hosts)
    if not why:
        return __utils__["results.clean"](name, f"{name} is good.")
    if __opts__["test"]:
        return __utils__["results.pending"](name, {name: "to be made"}, f"{name} would be made: {why}.")
    grains = [__grains__.get(grain) or [] for grain in ("host", "fqdn", "ipv4", "ipv6")]
    own = [
        item
        for grain in grains
        for item in ([grain] if isinstance(grain, str) else grain)
        if not item.startswith("fe80:")
    ]
    certificate, private = __utils__["certificates.make"]([*own, "localhost", "127.0.0.1", *hosts])
    try:
        __utils__["certificates.write"](key, private, 0o600)
        __utils__["certificates.write"](name, certificate, 0o644)
    except OSError as error:
        return __utils__["results.failed"](name, error)
    return __utils__["results.changed"](name, {name: "made"}, f"{name} was made: {why}.")


def copied(name: str, certificate: str, key: str, group: str = "root") -> dict[str, Any]:
    """File `name`, which root and `group` may read, holds a certificate (with its chain) and its private key.

    One file, so that no reader meets a certificate with another's key.
    """
    mode = 0o640 if group != "root" else 0o600
    try:
        wanted = b"\n".join(pathlib.Path(path).read_bytes().strip() for path in (certificate, key)) + b"\n"
        number = grp.getgrnam(group).gr_gid
        if _is(name, wanted, (mode, 0, number)):
            return __utils__["results.clean"](name, f"{name} is the same.")
        if not __opts__["test"]:
            __utils__["certificates.write"](name, wanted, mode, number)
            return __utils__["results.changed"](
                name, {name: "copied"}, f"{name} was copied from {certificate} and {key}."
            )
    except (OSError, KeyError) as error:  # in a preview another state may be yet to make the files, a package the group
        if not __opts__["test"]:
            return __utils__["results.failed"](name, error)
    return __utils__["results.pending"](name, {name: "to be copied"}, f"{name} would be copied.")


def _is(path: str, content: bytes, rights: tuple[int, int, int]) -> bool:
    if not os.path.isfile(path):
        return False
    found = os.stat(path)
    return (found.st_mode & 0o7777, found.st_uid, found.st_gid) == rights and pathlib.Path(path).read_bytes() == content
