"""What several tests of the utilities share: a pillar and its doctor, a host's health."""

import copy
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from salt.utils import dictupdate

import doctors
from health_support import Quiet
from pillars import SECRET, put


@pytest.fixture
def health(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which waits less, on a host named unit."""
    module = load("_utils/health")
    monkeypatch.setattr(module.probes, "HTTP_TIMEOUT", 0.5)
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


@pytest.fixture(scope="session")
def good() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords, and with each key that it leaves out."""
    pillar = doctors.shipped()
    more = f"""
        phagescan:
          roles: [master, worker]
          secret_key: {SECRET * 3}
          admin: {{password: {SECRET}}}
          public_url: https://scan.example.org
          database: {{host: 127.0.0.1, user: citestsuper}}
          tls: {{self_signed: false}}
          broker: {{tls: false}}
          worker: {{ca_certs: /etc/ssl/master.pem, master_url: 'http://127.0.0.1:9000'}}
          allow_sample_passwords: false
          take: [user avuser]
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
          policies:
            phage: {{limit: {{pattern: ^log, apply-to: queues, priority: 1, definition: {{max-length: 9}}}}}}
          least_privilege: false
        postgresql:
          version: '17'
          port: 5432
          roles: {{citestsuper: {{password: {SECRET}}}, avuser: {{peer: true}}}}
          databases: {{phage: {{schema_owner: avuser}}}}
        gunicorn:
          user: avuser
          group: avuser
          chdir: /opt/phagescan
          virtualenv: /opt/phagescan-venv
          environment: {{A: b}}
          log_dir: /var/log/phagescan
          socket_group: www-data
          workers: 2
          threads: 4
          timeout: 60
          mode: production
        supervisord:
          mode: production
          unit: {{Nice: 5}}
          programs:
            celerycam:
              user: avuser
              virtualenv: /opt/phagescan-venv
              directory: /opt/phagescan
              environment: {{A: b}}
        nginx:
          tls: {{certificate: /etc/ssl/a.pem, key: /etc/ssl/a.pem}}
          tls_port: 443
          hsts: max-age=31536000
          worker_connections: 8192
          sites:
            phagescan:
              proxy: unix:/run/gunicorn/proxy/socket
              public_url: https://scan.example.org
              static: {{/static/: /var/lib/phagescan/static/}}
              uploads: {{client_max_body_size: 101m}}
        celery:
          user: avuser
          group: avuser
          chdir: /opt/phagescan
          virtualenv: /opt/phagescan-venv
          environment: {{A: b}}
          log_dir: /var/log/phagescan
          mode: production
          roles: [master, worker]
          loglevel: info
          beat: false
          options: [--without-gossip]
          unit: {{Nice: 5}}
          role: ''
          workers:
            celeryd:
              chdir: /opt/phagescan
              virtualenv: /opt/phagescan-venv
              loglevel: info
              beat: false
              user: avscan
              group: avscan
              log_dir: /var/log/phagescan-worker
              environment: {{}}
        """
    return dictupdate.update(pillar, yaml.safe_load(more))


@pytest.fixture(scope="session")
def shipped() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords."""
    return doctors.shipped()


@pytest.fixture
def doctor(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Says the faults of a pillar, on a host that has nothing yet and knows every other host."""
    ready = doctors.Doctor(load, monkeypatch, tmp_path)
    monkeypatch.setattr(ready.module.network.socket, "getaddrinfo", lambda *_arguments: [])
    certificates = load("_utils/certificates")

    def authority(path: str) -> list[str]:
        return [f"{path}: is not there"] if path.startswith("/nowhere") else []

    def say(pillar: dict[str, Any], node: str = "") -> list[str]:
        facts = {"certificate_faults": certificates.faults, "authority_faults": authority}
        return ready.faults(
            pillar,
            broker=lambda wanted: {
                "name": node or wanted,
                "ours": node in ("", wanted),
                "runs": False,
                "choices": [],
            },
            **facts,
        )

    return say


@pytest.fixture
def examine(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shipped: dict[str, Any]
) -> Callable[..., list[str]]:
    """Says the faults of the shipped pillar with some keys set otherwise, on a host below tmp_path."""
    ready = doctors.Doctor(load, monkeypatch, tmp_path)

    def say(
        changed: dict[str, Any] | None = None, *, host: bool = True, facts: dict[str, Any] | None = None, **grains: Any
    ) -> list[str]:
        pillar = copy.deepcopy(shipped)
        for key, value in (changed or {}).items():
            pillar = put(pillar, key, value)
        return ready.faults(pillar, grains, host=host, **(facts or {}))

    return say
