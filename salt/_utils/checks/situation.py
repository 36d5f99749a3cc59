"""What checks are given, and what they return."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, NamedTuple

# What a host has where nothing narrows it, and what a service listens on then.
EVERYWHERE = {"0.0.0.0", "::", "*", ""}  # noqa: S104
LOOPBACK = ("127.0.0.1", "localhost")


class Fault(NamedTuple):
    """What keeps a run from ending well: the key to mend, what is wrong and what would be right.

    `others` are keys that the reason speaks of: where one of them is already known to be wrong this is not reported.
    """

    key: str
    reason: str
    others: tuple[str, ...] = ()


class Listener(NamedTuple):
    """A port that a service of a master listens on, and who owns its socket while it is running."""

    service: str  # as people call it
    address: str
    port: int
    key: str = ""  # of pillar, where one sets the port
    users: tuple[str, ...] = ()
    pidfile: str = ""
    program: str = ""  # what it runs, where neither user nor pid file is known

    @property
    def name(self) -> str:
        """What an operator can change about it, or else what it is."""
        return self.key or self.service


@dataclasses.dataclass(frozen=True)
class Situation:
    """Pillar and host as far as checks look at them.

    `settings` has every namespace with its defaults and what is inherited, without what the schemas refuse; `given` has
    pillar alone. `checkout` are the directories that Salt serves from, `served` the files in them. The rest is asked
    where a check needs it.
    """

    settings: Mapping[str, Any]
    given: Mapping[str, Any]
    roles: list[str]
    checkout: list[str]
    served: Set[str] = frozenset()
    secrets: tuple[str, ...] = ()  # files and directories that only their owner may read
    broker: Callable[[str], Mapping[str, Any]] = lambda name: {"name": name, "ours": True, "runs": False, "choices": []}
    clusters: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
    broker_stuck: Callable[[], bool] = bool
    broker_steps: Callable[[], list[str]] = list
    certificate_faults: Callable[[str, str], list[tuple[str, str]]] = lambda _certificate, _key: []
    authority_faults: Callable[[str], list[str]] = lambda _path: []
    look: Callable[[], Any] = lambda: ({}, ["any"], [])
    thorough: bool = False

    @property
    def master(self) -> bool:
        """Whether this host is a master."""
        return "master" in self.roles

    @property
    def worker(self) -> bool:
        """Whether this host scans."""
        return "worker" in self.roles

    @property
    def tls(self) -> bool:
        """Whether the master speaks TLS."""
        given = self.get("phagescan:tls")
        return isinstance(given, dict) and any(given.values())

    @property
    def amqps(self) -> bool:
        """Whether a master's broker speaks AMQPS: with TLS, and where it listens to other hosts."""
        listen = self.get("rabbitmq:listen", "127.0.0.1")
        return self.tls and not (listen.startswith("127.") or listen == "::1")

    def get(self, key: str, default: Any = None) -> Any:
        """A setting, by its key with colons."""
        return look_up(self.settings, key, default)

    def source(self, key: str, inherited: str) -> str:
        """The key that a setting comes from: its own where pillar has it, else the one it is inherited from."""
        return key if look_up(self.given, key) is not None else inherited

    def workers(self, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Celery's workers of a role with all their settings."""
        common = {key: value for key, value in self.get("celery", {}).items() if key != "workers"}
        for name, worker in self.get("celery:workers", {}).items():
            if worker.get("role") == role:
                yield name, {**common, **worker}


def look_up(pillar: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """What is at a key with colons."""
    value: Any = pillar
    for part in key.split(":"):
        if not isinstance(value, Mapping) or part not in value:
            return default
        value = value[part]
    return value


def split(listen: Any) -> tuple[str, int]:
    """Address and port of `address:port`, or of a port alone."""
    address, _, port = str(listen).removesuffix(" default_server").rpartition(":")
    return address.strip("[]").replace("localhost", "127.0.0.1"), int(port)
