"""What users of the broker may do, and the broker that is here already."""

import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from checks import listening
from checks.situation import EVERYWHERE, Fault, Situation

# Permissions that need no compiler to be known as good; a thousand users have thousands.
PLAIN = re.compile(r"(?:[\w^$@%/ -]|\\[.$^*+?|()\[\]{}-]|\.[*+?]?)*")


def permissions(situation: Situation) -> Iterator[Fault]:
    """Permissions are on vhosts that there are, in regular expressions that are some."""
    vhosts, good = situation.get("rabbitmq:vhosts", ()), set()
    for name, user in situation.get("rabbitmq:users", {}).items() if situation.master else ():
        for kind in ("permissions", "least"):
            for where, rights in user.get(kind, {}).items():
                key = f"rabbitmq:users:{name}:{kind}"
                if where not in vhosts:
                    yield Fault(key, f"vhost {where} is not in rabbitmq:vhosts", ("rabbitmq:vhosts",))
                for right, word in zip(rights, ("configure", "write", "read"), strict=False):
                    if right not in good and (wrong := _expression(right)):
                        yield Fault(f"{key}:{where}", f"{word} is no regular expression: {wrong}")
                    good.add(right)


def policies(situation: Situation) -> Iterator[Fault]:
    """Policies are of vhosts that there are, in regular expressions that are some."""
    for where, named in situation.get("rabbitmq:policies", {}).items() if situation.master else ():
        if where not in situation.get("rabbitmq:vhosts", ()):
            yield Fault(f"rabbitmq:policies:{where}", "is not in rabbitmq:vhosts", ("rabbitmq:vhosts",))
        for name, policy in named.items():
            if wrong := _expression(policy.get("pattern", "")):
                key = f"rabbitmq:policies:{where}:{name}:pattern"
                yield Fault(key, f"is no regular expression: {wrong}")


def logins(situation: Situation) -> Iterator[Fault]:
    """Master and workers can use their vhost, and are two users where one may do less."""
    get, vhost = situation.get, situation.get("phagescan:broker:vhost")
    master, worker = get("phagescan:broker:master"), get("phagescan:broker:worker")
    for login in dict.fromkeys((master, worker)) if situation.master else ():
        user, key = get(f"rabbitmq:users:{login}"), f"rabbitmq:users:{login}:permissions"
        if user is not None and vhost in get("rabbitmq:vhosts", ()) and vhost not in user.get("permissions", {}):
            yield Fault(key, f"vhost {vhost} is missing, where phagescan:broker logs in", (f"{key}:{vhost}",))
    if get("rabbitmq:least_privilege") and master == worker:
        yield Fault("rabbitmq:least_privilege", f"master and workers share {master}; give them a user each")


def node(situation: Situation) -> Iterator[Fault]:
    """It is known which database is the broker's, and its node's host is known here."""
    found = _here(situation)
    if choices := found["choices"]:
        listed = ", ".join(sorted(choices))
        reason = (
            f"there are several databases, {listed}, and no broker runs: start the one that is used, or set this key"
        )
        yield Fault("rabbitmq:node", f"{reason} to its name in pillar/local.sls")
    elif situation.master and not found["ours"]:
        host = found["name"].partition("@")[2]
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError):
            reason = f"the broker that is here is {found['name']}, and {host} is not known here, without which it does"
            yield Fault("rabbitmq:node", f"{reason} not start; add {host} to /etc/hosts")


def listeners(situation: Situation) -> Iterator[Fault]:
    """A broker whose listeners are not ours keeps them: it has to listen where it is looked for."""
    found, port = _here(situation), situation.get("rabbitmq:port")
    if not situation.master or found["ours"] or found["choices"]:
        return
    if situation.amqps:
        yield Fault(
            "rabbitmq:listen",
            f"the broker that is here, {found['name']}, keeps its own listeners: AMQPS is not made, and AMQP may be"
            " open to others; see to both in its configuration, and make this key 127.0.0.1",
            ("rabbitmq:node",),
        )
    host = situation.get("phagescan:broker:host", "127.0.0.1").replace("localhost", "127.0.0.1")
    there = [(address, at) for address, at, user in listening.by_user() if user == "rabbitmq"] if found["runs"] else []
    erlang = situation.get("rabbitmq:ports", {}).values()
    ports = sorted({at for address, at in there if address in (host, *EVERYWHERE) and at not in erlang})
    if there and port not in ports:
        where = f"listens on {', '.join(map(str, ports)) or 'no port'} of {host}, and not on {port}"
        yield Fault("rabbitmq:port", f"the broker that is here, {found['name']}, {where}; set this key to its port")


def _here(situation: Situation) -> Mapping[str, Any]:
    return situation.broker(situation.get("rabbitmq:node", "rabbit@localhost"))


def version(situation: Situation) -> Iterator[Fault]:
    """RabbitMQ starts on the database that is here."""
    if situation.master and situation.broker_stuck():
        commands = "; ".join(situation.broker_steps())
        reason = f"version 4 does not start on the database of version 3 that is here; go on so: {commands}"
        yield Fault("rabbitmq", reason)


def _expression(text: str) -> str:
    """What is wrong with a regular expression; RabbitMQ's PCRE knows some that Python does not."""
    if not PLAIN.fullmatch(text):
        try:
            re.compile(text)
        except re.error as error:
            return "" if re.match("bad escape|unknown extension", str(error)) else str(error)
    return ""


PILLAR = (permissions, policies, logins)
CHECKS = (*PILLAR, node, listeners, version)
