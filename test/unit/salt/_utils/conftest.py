"""What several tests of the utilities share: a pillar and its doctor, a host's health."""

import http.server
import importlib.util
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from salt.utils import dictupdate

from health_support import Quiet
from pillars import ROOT, SECRET


@pytest.fixture
def health(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which waits less, on a host named unit."""
    module = load("_utils/health")
    monkeypatch.setattr(module, "HTTP_TIMEOUT", 0.5)
    monkeypatch.setattr(module.socket, "gethostname", lambda: "unit")
    return module


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Serves a file's certificate on a port, with the pages of a handler."""
    servers = []

    def make(path: str, handler: type[Quiet] = Quiet) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        servers[-1].socket = context.wrap_socket(servers[-1].socket, server_side=True)
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return servers[-1].server_port

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def utility(name: str) -> Any:
    """A module of salt/_utils by itself."""
    spec = importlib.util.spec_from_file_location(f"unit_{name}", ROOT / "salt" / "_utils" / f"{name}.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def good() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords, and with each key that it leaves out."""
    pillar: dict[str, Any] = {}
    for path in sorted((ROOT / "pillar").glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    more = f"""
        phagescan:
          roles: [master, worker]
          secret_key: {SECRET * 3}
          admin: {{password: {SECRET}}}
          tls: {{self_signed: false}}
          broker: {{tls: false}}
          worker: {{ca_certs: /etc/ssl/master.pem}}
          allow_sample_passwords: false
          engines:
            yara: {{timeout: 30, memory: 512, rules: {{mine: 'rule mine {{ condition: false }}'}}}}
            fileinfo: {{timeout: 60, memory: 1024, depth: 3}}
        rabbitmq:
          node: rabbit@localhost
          listen: 127.0.0.1
          port: 5672
          tls_port: 5671
          consumer_timeout: 3600000
          users: {{phagemasteruser: {{password: {SECRET}}}, phageworkeruser: {{password: {SECRET}}}}}
          policies: {{phage: {{limit: {{pattern: ^log, apply-to: queues, priority: 1, definition: {{max-length: 9}}}}}}}}
        postgresql: {{version: '17', roles: {{citestsuper: {{password: {SECRET}}}}}}}
        gunicorn: {{workers: 2, threads: 4, timeout: 60}}
        celery:
          loglevel: info
          beat: false
          options: [--without-gossip]
          unit: {{Nice: 5}}
          role: ''
          workers: {{celeryd: {{chdir: /opt/phagescan, virtualenv: /opt/phagescan-venv, loglevel: info, beat: false}}}}
        """
    return dictupdate.update(pillar, yaml.safe_load(more))


@pytest.fixture(scope="session")
def doctor() -> Callable[[dict[str, Any]], list[str]]:
    """Tells the faults of a pillar, on a host that has nothing yet."""
    spec = importlib.util.spec_from_file_location("unit_phagescan", ROOT / "salt" / "_modules" / "phagescan.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    schema, pillar_faults, certificates = map(utility, ("schema", "pillar_faults", "certificates"))
    spec.loader.exec_module(module)
    module.__grains__ = {"os_family": "Debian", "osfinger": "Debian-13"}
    module.__opts__ = {
        "file_roots": {"base": [str(ROOT / name) for name in ("salt", "formulas", "roots")]},
        "pillar_roots": {"base": ["/nowhere"]},
        "gpg_keydir": "/nowhere",
    }
    module.__utils__ = {
        **{f"schema.{name}": getattr(schema, name) for name in ("faults", "key", "nearest")},
        **{f"pillar_faults.{name}": getattr(pillar_faults, name) for name in ("faults", "amqps")},
        "certificates.faults": certificates.faults,
        "certificates.faults_of_authority": lambda path: (
            [f"{path}: is not there"] if path.startswith("/nowhere") else []
        ),
    }
    module.pathlib = SimpleNamespace(
        Path=lambda path, *more: (
            Path(path, *more) if str(path).startswith(str(ROOT)) else Path("/nowhere", str(path).strip("/"))
        )
    )
    module.socket = SimpleNamespace(getaddrinfo=lambda *_arguments: [])
    module._preflight = lambda *_arguments: []  # what the machine that tests has is not the subject

    def tell(pillar: dict[str, Any], node: str = "") -> list[str]:
        def get(key: str, default: Any, unmask: bool) -> Any:
            value: Any = pillar
            for part in key.split(":"):
                if not isinstance(value, dict) or part not in value:
                    return default
                value = value[part]
            return value

        module.__pillar__ = pillar
        module.__salt__ = {
            "pillar.get": get,
            "grains.get": lambda _key: None,
            "postgresql_topology.version": lambda: "17",
            "rabbitmq_topology.node": lambda default: node or default,
        }
        lines = module.faults()
        assert all(line.isprintable() for line in lines)
        return lines

    return tell
