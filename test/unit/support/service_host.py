"""A service, and what its host says of it."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from salt.exceptions import CommandExecutionError


class Host:
    """Service `web`, or several, with a configuration file, and the state module that looks after them."""

    def __init__(
        self, load: Callable[..., Any], path: Path, *, test: bool, names: tuple[str, ...] = ("web",), **status: Any
    ) -> None:
        self.status: dict[str, Any] = {
            "exists": True,
            "running": True,
            "enabled": True,
            "masked": False,
            "changed": False,
        }
        self.status |= {"failures": 0, "since": 1000.0, "notifies": False, **status}
        self.names = list(names)
        self.others: dict[str, Any] = {}
        self.running: dict[str, Any] = {}
        self.did: list[str] = []
        self.asked, self.check_fails = 0, False
        self.act_fails = False
        path.touch()
        os.utime(path, (500, 500))
        self.path = path
        low: dict[str, Any] = {"state": "daemon", "fun": "running", "__id__": "web-service", "__sls__": "web.service"}
        low |= {"watch": [{"file": "web-config"}]}
        lows = [low | {"name": name, "pidfile": f"/run/{name}.pid"} for name in names]
        file = {"state": "file", "name": str(path), "fun": "managed", "__id__": "web-config", "__sls__": "web.config"}
        freshness = load("_utils/freshness", __opts__={"test": test})
        package = {"state": "pkg", "name": "web", "fun": "installed", "__id__": "web-package", "__sls__": "web.install"}
        ours = [
            {"state": "daemon", "name": "all", "fun": fun, "__id__": "all", "__sls__": "web"}
            for fun in ("asked", "settled")
        ]
        self.state = load(
            "_states/daemon",
            __low__=lows[0],
            __lowstate__=[package, file, *lows, *ours],
            __context__={},
            __opts__={"test": test},
            __running__=self.running,
            __utils__={
                **{f"freshness.{name}": value for name, value in vars(freshness).items()},
                "daemon.ask": self.ask,
                "daemon.status": self.tell,
                "daemon.check": self.check,
                "daemon.daemon_reload": lambda: self.did.append("daemon-reload"),
                "daemon.act": self.act,
            },
        )

    def watch(self, **requisite: str) -> None:
        """Let the service watch something else."""
        self.state.__low__["watch"] = [requisite]

    def ask(self, names: list[str]) -> SimpleNamespace:
        """A systemctl that answers what is so now."""
        assert names == self.names
        self.asked += 1
        now = {name: self.status | self.others.get(name, {}) for name in names}
        return SimpleNamespace(now=now, communicate=lambda: self.did.append("answer dropped"))

    def tell(self, services: dict[str, str], asked: Any = None) -> dict[str, Any]:
        """The status of all services of the run."""
        assert services == {name: f"/run/{name}.pid" for name in self.names}
        return (asked or self.ask(list(services))).now

    def act(self, verb: str, services: dict[str, str]) -> None:
        """What is done to the services; one that is restarted with another has its pid file."""
        assert all(path == f"/run/{name if name in self.names else 'web'}.pid" for name, path in services.items())
        self.did.append(" ".join([verb, *services]))
        if self.act_fails:
            raise CommandExecutionError("web failed (1)")

    def check(self, command: str) -> None:
        """The service's own check."""
        self.did.append(command)
        if self.check_fails:
            raise CommandExecutionError(f"{command} failed (1): line 3")
