"""The broker's users, vhosts, permissions and policies: what is compared, and what is to be written."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

import brokers
from brokers import PASSWORD, SHA256

# RabbitMQ's documentation works this one out by hand: "test12" with the salt 908D C60A.
KNOWN_SALT, KNOWN_HASH = bytes.fromhex("908DC60A"), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


@pytest.fixture
def topology(load: Callable[..., Any]) -> Any:
    """The execution module."""
    return load("_utils/rabbitmq_topology", __opts__={"test": False})


@pytest.fixture
def wanted() -> dict[str, Any]:
    """Pillar of one user on one vhost."""
    return brokers.wanted()


@pytest.fixture
def converged(topology: Any) -> dict[str, Any]:
    """What such a broker exports, with things of somebody else's in it."""
    return brokers.converged(topology.password_hash)


def carried_out(plan: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """The broker after the plan: definitions go on top of what is there, then the calls."""
    keys = {"users": ["name"], "vhosts": ["name"], "permissions": ["user", "vhost"], "policies": ["vhost", "name"]}
    after = copy.deepcopy(actual)
    for kind, key in keys.items():
        merged = {tuple(item[k] for k in key): item for item in [*after.get(kind, []), *plan["import"].get(kind, [])]}
        after[kind] = list(merged.values())
    for verb, *arguments in plan["delete"]:
        if verb == "clear_permissions":
            _, vhost, _, name = arguments
            after["permissions"] = [p for p in after["permissions"] if (p["user"], p["vhost"]) != (name, vhost)]
        else:
            kind, of = ("users", "user") if verb == "delete_user" else ("vhosts", "vhost")
            after[kind] = [item for item in after[kind] if item["name"] != arguments[-1]]
            after["permissions"] = [p for p in after["permissions"] if p[of] != arguments[-1]]
    return after


def test_hash_is_rabbitmqs(topology: Any) -> None:
    """The hash is the one RabbitMQ itself makes."""
    assert topology.password_hash("test12", KNOWN_SALT) == KNOWN_HASH
    assert topology.password_matches("test12", {"password_hash": KNOWN_HASH, "hashing_algorithm": SHA256})


def test_hash_is_salted(topology: Any) -> None:
    """Two users with one password do not show it."""
    assert topology.password_hash("test12") != topology.password_hash("test12")


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"password_hash": "", "hashing_algorithm": SHA256},
        {"password_hash": KNOWN_HASH},
        {"password_hash": KNOWN_HASH, "hashing_algorithm": "rabbit_password_hashing_md5"},
        {"password_hash": KNOWN_HASH[:-4] + "AAAA", "hashing_algorithm": SHA256},
    ],
)
def test_no_match(topology: Any, user: dict[str, str]) -> None:
    """Another hash, another algorithm or none at all is a mismatch."""
    assert not topology.password_matches("test12", user)


def test_other_password(topology: Any) -> None:
    """Another password does not match."""
    assert not topology.password_matches("test13", {"password_hash": KNOWN_HASH, "hashing_algorithm": SHA256})


def test_converged(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Nothing differs, nothing is done; what belongs to others is nothing."""
    assert topology.plan(wanted, converged) == {"import": {}, "delete": [], "changes": {}}


def test_empty_broker(topology: Any, wanted: dict[str, Any]) -> None:
    """Everything is imported, the password as a hash only; what should be absent and is needs no call."""
    plan = topology.plan(wanted, {})
    assert plan["changes"] == {
        "vhost shop": "added",
        "user seller": "added",
        "permission seller on shop": ".* .* .*",
        "policy limit on shop": "added",
    }
    assert plan["delete"] == []
    assert PASSWORD not in str(plan)
    (user,) = plan["import"]["users"]
    assert topology.password_matches(PASSWORD, user)
    assert plan["import"]["policies"][0].items() >= {"apply-to": "all", "priority": 0, "vhost": "shop"}.items()


def test_password_only(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """A new password changes one user and nothing else."""
    wanted["users"]["seller"]["password"] = "another-0123456789"
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"user seller": "changed: password"}
    assert list(plan["import"]) == ["users"]
    assert topology.password_matches("another-0123456789", plan["import"]["users"][0])


def test_tags_only(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """New tags leave the stored hash as it is."""
    wanted["users"]["seller"]["tags"] = ["policymaker", "monitoring"]
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"user seller": "changed: tags"}
    assert plan["import"] == {"users": [converged["users"][0] | {"tags": ["monitoring", "policymaker"]}]}


@pytest.mark.parametrize("tags", ["monitoring,policymaker", ["policymaker", "monitoring"]])
def test_tags_in_any_order(topology: Any, wanted: dict[str, Any], converged: dict[str, Any], tags: Any) -> None:
    """Order is no difference, nor is the comma-separated form of older brokers."""
    wanted["users"]["seller"]["tags"] = ["monitoring", "policymaker"]
    converged["users"][0]["tags"] = tags
    assert topology.plan(wanted, converged)["changes"] == {}


def test_permission_changed(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Rights that differ are written, each in its place."""
    wanted["users"]["seller"]["permissions"]["shop"] = ["c", "w", "r"]
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"permission seller on shop": "c w r"}
    right = {"user": "seller", "vhost": "shop", "configure": "c", "write": "w", "read": "r"}
    assert plan["import"] == {"permissions": [right]}


def test_permission_removed(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Our user keeps no right that pillar does not give; a stranger keeps his, on our vhost too."""
    wanted["users"]["seller"]["permissions"] = {}
    plan = topology.plan(wanted, converged)
    assert plan["delete"] == [["clear_permissions", "-p", "shop", "--", "seller"]]
    assert plan["changes"] == {"permission seller on shop": "removed"}
    assert plan["import"] == {}


def test_absent(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """What is listed as absent goes; a name that begins with a dash is no option."""
    wanted["absent"] = {"users": ["stranger", "-x"], "vhosts": ["theirs", "never"]}
    converged["users"].append({"name": "-x"})
    plan = topology.plan(wanted, converged)
    assert plan["delete"] == [
        ["delete_user", "--", "stranger"],
        ["delete_user", "--", "-x"],
        ["delete_vhost", "--", "theirs"],
    ]
    assert plan["changes"] == {"user stranger": "removed", "user -x": "removed", "vhost theirs": "removed"}


@pytest.mark.parametrize(
    "difference", [{"pattern": "^x"}, {"definition": {"max-length": 1}}, {"priority": 3}, {"apply-to": "queues"}]
)
def test_policy_changed(
    topology: Any, wanted: dict[str, Any], converged: dict[str, Any], difference: dict[str, Any]
) -> None:
    """Any part of a policy counts."""
    wanted["policies"]["shop"]["limit"] |= difference
    plan = topology.plan(wanted, converged)
    assert plan["changes"] == {"policy limit on shop": "changed"}
    assert plan["import"]["policies"] == [converged["policies"][0] | difference]


@pytest.mark.parametrize(
    "broken", ["nothing", "empty", "users", "vhosts", "permissions", "policies", "password", "guest"]
)
def test_second_plan_is_empty(topology: Any, wanted: dict[str, Any], converged: dict[str, Any], broken: str) -> None:
    """Whatever was missing or wrong: carried out once, the plan has nothing left to do, and strangers are there
    still.
    """
    before = {} if broken == "empty" else converged
    if broken in converged:
        converged[broken] = [
            item for item in converged[broken] if "theirs" in item.values() or "stranger" in item.values()
        ]
    elif broken == "password":
        converged["users"][0]["password_hash"] = KNOWN_HASH
    elif broken == "guest":
        converged["users"].append({"name": "guest", "tags": ["administrator"]})
        converged["permissions"].append({"user": "guest", "vhost": "/", "configure": "", "write": "", "read": ""})
    first = topology.plan(wanted, before)
    assert bool(first["changes"]) == (broken != "nothing")
    after = carried_out(first, before)
    assert topology.plan(wanted, after) == {"import": {}, "delete": [], "changes": {}}
    assert [u for u in before.get("users", []) if u["name"] == "stranger"] == [
        u for u in after["users"] if u["name"] == "stranger"
    ]
