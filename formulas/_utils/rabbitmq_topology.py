"""Users, vhosts, permissions and policies of the local RabbitMQ, read at once and written at once.

Every rabbitmqctl call starts an Erlang VM (0.6 s). erl_call(1), a small program that speaks Erlang's protocol, has the
broker itself do in 15 ms what rabbitmqctl would ask of it: export_definitions to read everything, import_definitions to
write everything, whatever the number of users.
Passwords go to the broker as salted hashes in a private file, never as arguments.
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import programs
import rabbitmq_node
from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
DEFINITIONS = pathlib.Path("/run/rabbitmq-definitions.json")  # for the moment that the broker needs to read it
ERL_CALL = "/usr/bin/erl_call"
# What rabbitmqctl's commands ask of the node. What is exported comes in base64, as erl_call knows no UTF-8.
EXPORT = "io:put_chars(base64:encode(rabbit_json:encode(rabbit_definitions:all_definitions()))).\n"
IMPORT = (
    '{{ok, Json}} = file:read_file("{path}"), ok = rabbit_definitions:import_raw(Json), io:put_chars("imported").\n'
)
AS_RABBITMQ: dict[str, Any] = {
    "user": "rabbitmq",
    "group": "rabbitmq",
    "extra_groups": [],
    "cwd": "/var/lib/rabbitmq",
    "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/var/lib/rabbitmq", "LANG": "C.UTF-8"},
}
SHA256 = "rabbit_password_hashing_sha256"
RIGHTS = ("configure", "write", "read")

Definitions = dict[str, list[dict[str, Any]]]


def installed() -> bool:
    """Whether there is a broker to talk to at all; False on a bare host."""
    return os.path.exists(RABBITMQCTL)


def ctl(*arguments: str) -> str:
    """Standard output of one rabbitmqctl call, made as user rabbitmq and not through a shell as Debian's wrapper
    does.
    """
    try:
        name = rabbitmq_node.name("")
        node = [*(["--longnames"] if "." in name else []), "--node", name] if name else []
        done = programs.run([RABBITMQCTL, "--quiet", *node, *arguments], timeout=300, **AS_RABBITMQ)
    except OSError as error:
        raise CommandExecutionError(f"rabbitmqctl {arguments[0]}: {error}") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        reason = next((line for line in lines if line.lower().startswith("error")), " ".join(lines[:1]))
        raise CommandExecutionError(f"rabbitmqctl {arguments[0]}: {reason}")
    return done.stdout


def read() -> Definitions:
    """Definitions of the running broker, as export_definitions gives them.

    Where erl_call gets no answer rabbitmqctl is asked, which knows more ways to a node and says what is wrong.
    """
    if not __opts__["test"]:
        DEFINITIONS.unlink(missing_ok=True)  # of a run that was killed
    with contextlib.suppress(ValueError):
        found = json.loads(base64.b64decode(_call_node(EXPORT, timeout=30), validate=True))
        if isinstance(found, dict) and {"users", "vhosts", "permissions"} <= found.keys():
            return found
    return json.loads(ctl("export_definitions", "-"))


def write(plan: dict[str, Any]) -> Future[None]:
    """Begin to carry out a plan, in which a vhost takes the broker 35 ms; the result says how it went."""
    pool = ThreadPoolExecutor()
    writing = pool.submit(_write, plan)
    pool.shutdown(wait=False)
    return writing


def _write(plan: dict[str, Any]) -> None:
    if plan["import"]:
        _import(plan["import"])
    for call in plan["delete"]:
        ctl(*call)


def _import(definitions: Definitions) -> None:
    """Where erl_call could not, rabbitmqctl does it, or says what is wrong."""
    DEFINITIONS.unlink(missing_ok=True)
    try:
        DEFINITIONS.touch(mode=0o600)
        DEFINITIONS.write_text(json.dumps(definitions))
        shutil.chown(DEFINITIONS, "rabbitmq", "rabbitmq")
        if _call_node(IMPORT.format(path=DEFINITIONS), timeout=300) != "imported":
            ctl("import_definitions", str(DEFINITIONS))
    finally:
        DEFINITIONS.unlink()


def _call_node(expression: str, timeout: int) -> str:
    """What the node itself prints when it evaluates `expression`; nothing where it does not."""
    if not (name := rabbitmq_node.name("")):
        return ""
    # The cookie is read from the user's home. One name for us each time: the broker never forgets a node's name.
    command = [
        ERL_CALL,
        "-name" if "." in name else "-sname",
        name,
        "-h",
        "salt",
        "-e",
        "-fetch_stdout",
        "-no_result_term",
    ]
    with contextlib.suppress(OSError):
        done = programs.run(command, stdin=expression, timeout=timeout, **AS_RABBITMQ)
        return done.stdout if done.returncode == 0 else ""
    return ""


def password_hash(password: str, salt: bytes | None = None) -> str:
    """`password` as RabbitMQ stores it: base64 of four bytes of salt and the SHA-256 of salt and password.

    Source: RabbitMQ's documentation, "Credentials and Passwords".
    """
    salt = os.urandom(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def password_matches(password: str, user: dict[str, Any]) -> bool:
    """Whether an exported user has this password."""
    stored = user.get("password_hash", "")
    if user.get("hashing_algorithm") != SHA256 or not stored:
        return False
    return password_hash(password, base64.b64decode(stored)[:4]) == stored


def plan(wanted: dict[str, Any], actual: Definitions) -> dict[str, Any]:
    """What leads from `actual` to `wanted` (the pillar's shape).

    Returns `import` (definitions to import), `delete` (rabbitmqctl calls) and `changes` (for the state, without
    secrets). Users and vhosts that pillar does not name are left alone.
    """
    planned: dict[str, Any] = {"import": {}, "delete": [], "changes": {}}
    vhosts = {vhost["name"] for vhost in actual.get("vhosts", [])}
    for vhost in wanted["vhosts"]:
        if vhost not in vhosts:
            _import_one(planned, "vhosts", {"name": vhost}, f"vhost {vhost}", "added")
    users = {user["name"]: user for user in actual.get("users", [])}
    _plan_users(planned, wanted, users)
    _plan_permissions(planned, wanted, actual)
    policies = {(policy["vhost"], policy["name"]): policy for policy in actual.get("policies", [])}
    for vhost, named in wanted.get("policies", {}).items():
        for name, policy in named.items():
            full = {"priority": 0, "apply-to": "all", **policy, "vhost": vhost, "name": name}
            there = policies.get((vhost, name), {})
            if any(there.get(key) != value for key, value in full.items()):
                change = "changed" if there else "added"
                _import_one(planned, "policies", full, f"policy {name} on {vhost}", change)
    for kind, known in (("user", users.keys()), ("vhost", vhosts)):
        for name in wanted["absent"][f"{kind}s"]:
            if name in known:
                _delete_one(planned, [f"delete_{kind}", "--", name], f"{kind} {name}")
    return planned


def _plan_users(planned: dict[str, Any], wanted: dict[str, Any], users: dict[str, dict[str, Any]]) -> None:
    for name, user in wanted["users"].items():
        there, password, tags = users.get(name), str(user["password"]), sorted(user.get("tags", []))
        different = []
        if not there or not password_matches(password, there):
            different.append("password")
        if not there or sorted(_tags(there)) != tags:
            different.append("tags")
        if different:
            kept = there["password_hash"] if there and "password" not in different else password_hash(password)
            new = {"name": name, "password_hash": kept, "hashing_algorithm": SHA256, "tags": tags}
            change = "changed: " + ", ".join(different) if there else "added"
            _import_one(planned, "users", new, f"user {name}", change)


def _plan_permissions(planned: dict[str, Any], wanted: dict[str, Any], actual: Definitions) -> None:
    there: dict[str, dict[str, list[str]]] = {}
    for entry in actual.get("permissions", []):
        there.setdefault(entry["user"], {})[entry["vhost"]] = [entry[right] for right in RIGHTS]
    for name, user in wanted["users"].items():
        kind = "least" if wanted.get("least_privilege") and "least" in user else "permissions"
        given, had = {vhost: list(rights) for vhost, rights in user.get(kind, {}).items()}, there.get(name, {})
        for vhost, rights in given.items():
            if had.get(vhost) != rights:
                new = {"user": name, "vhost": vhost, **dict(zip(RIGHTS, rights, strict=True))}
                _import_one(planned, "permissions", new, f"permission {name} on {vhost}", " ".join(rights))
        for vhost in had.keys() - given.keys():
            command = ["clear_permissions", "-p", vhost, "--", name]
            _delete_one(planned, command, f"permission {name} on {vhost}")


def _import_one(planned: dict[str, Any], kind: str, definition: dict[str, Any], what: str, change: str) -> None:
    planned["import"].setdefault(kind, []).append(definition)
    planned["changes"][what] = change


def _delete_one(planned: dict[str, Any], command: list[str], what: str) -> None:
    planned["delete"].append(command)
    planned["changes"][what] = "removed"


def _tags(user: dict[str, Any]) -> list[str]:
    tags = user.get("tags", [])
    return [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else tags
