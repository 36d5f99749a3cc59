"""What `phagescan.status` is made of on Salt's side: pages, disks, certificates, logs, and what is blamed for what."""

import copy
import datetime
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOGIN = b'<form><input name="csrfmiddlewaretoken"></form>'
MASTER = ("broker", "database", "camera", "beat", "queues", "engines", "master.master")
PILLAR = {
    "phagescan": {
        "mode": "production",
        "root": "/srv/app",
        "virtualenv": "/srv/venv",
        "user": "avuser",
        "log_dir": "/nonexistent",
        "scan": {"sample_root": "/nonexistent"},
        "worker": {"user": "avscan", "log_dir": "/nonexistent", "master_url": "http://127.0.0.1"},
    },
    "celery": {
        "log_dir": "/nonexistent",
        "user": "avuser",
        "workers": {
            "celeryd-master": {"role": "master", "config": "masterceleryconfig", "hostname": "master.master"},
            "celeryd": {"role": "worker", "config": "workerceleryconfig", "hostname": "scan@%h", "user": "avscan"},
        },
    },
    "supervisord": {"programs": {"celerycam": {"command": "celery events --frequency 7", "logfile": "/nonexistent"}}},
    "nginx": {},
}


@pytest.fixture
def health(load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which waits less, on a host named unit."""
    module = load("_utils/health")
    monkeypatch.setattr(module, "HTTP_TIMEOUT", 0.5)
    monkeypatch.setattr(module.socket, "gethostname", lambda: "unit")
    return module


@pytest.fixture
def site() -> Iterator[Callable[..., dict[str, Any]]]:
    """Makes a site that answers a path with a status and a body."""
    servers = []

    def make(answers: dict[str, tuple[int, bytes]]) -> dict[str, Any]:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.get(self.path, (404, b""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return {"listen": servers[-1].server_port, "server_name": "_", "static": {"/static/": "/srv/static/"}}

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def states(parts: dict[str, Any]) -> dict[str, bool | None]:
    """Whether each part is ok."""
    return {name: part["ok"] for name, part in parts.items()}


ICON = {"/static/scaggr/icon.svg": (200, b"")}


@pytest.mark.parametrize(
    ("answers", "web", "static", "said"),
    [
        (ICON | {"/login/": (200, LOGIN)}, True, True, "a page from"),
        (ICON | {"/login/": (200, b"Welcome to nginx!")}, False, True, "is not the page of Phagescan"),
        (ICON | {"/login/": (502, b"")}, False, True, "gunicorn does not answer, and nginx says 502"),
        (ICON | {"/login/": (500, b"")}, False, True, "/login/: status 500"),
        ({"/login/": (200, LOGIN)}, True, False, "a page from"),
    ],
)
def test_website(
    health: ModuleType, site: Callable[..., dict[str, Any]], answers: dict[str, Any], web: bool, static: bool, said: str
) -> None:
    """A page counts when it is ours, and a static file when it is there."""
    found = health.website(site(answers), "127.0.0.1")
    assert states(found) == {"web": web, "static": static}
    assert said in found["web"]["said"]
    assert ("startup" in found["web"]) is ("does not answer" in said)


@pytest.mark.parametrize("listen", ["127.0.0.1:{}", "*:{} default_server", "0.0.0.0:{}", "{}"])
def test_website_is_asked_where_it_listens(health: ModuleType, site: Callable[..., dict[str, Any]], listen: str) -> None:
    """Every way to say where nginx listens is understood."""
    made = site(ICON | {"/login/": (200, LOGIN)})
    made["listen"] = listen.format(made["listen"])
    assert states(health.website(made, "127.0.0.1")) == {"web": True, "static": True}


def test_website_away(health: ModuleType) -> None:
    """Without nginx there is no page, and of the static files nothing is known."""
    found = health.website({"listen": 1, "server_name": "_", "static": {}}, "127.0.0.1")
    assert states(found) == {"web": False, "static": None}
    assert found["web"]["of"] == "nginx"


def test_disk(health: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system is told once; one that is nearly full, or has no inodes left, is a fault."""

    def left(free: int, size: int, inodes: int = 50) -> Any:
        numbers = SimpleNamespace(f_bavail=free, f_blocks=size, f_frsize=2**20, f_favail=inodes, f_files=100)
        monkeypatch.setattr(health.os, "statvfs", lambda _: numbers)
        return health.disk([str(tmp_path), str(tmp_path), "/nonexistent"])

    assert left(2000, 100_000) == {"ok": True, "said": f"{tmp_path} has 2.0 GiB of 97.7 GiB left", "of": ""}
    assert left(1000, 100_000)["ok"] is False
    assert left(16, 100)["ok"] is True
    assert left(9, 100)["ok"] is False
    assert "0 of 100 inodes" in left(2000, 100_000, 0)["said"]


def certificate(path: Path, days: int, since: int = -2) -> str:
    """A file with a certificate of these days from now, and its key, as services are given it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "unit")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + datetime.timedelta(days=since)).not_valid_after(
        now + datetime.timedelta(days=days)
    )
    path.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(path)


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers that nobody reads of."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Serves a file's certificate on a port, with the pages of a handler."""
    servers = []

    def make(path: str, handler: type[Quiet] = Quiet) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        servers[-1].socket = context.wrap_socket(servers[-1].socket, server_side=True)
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


def judged(health: ModuleType, path: str, ports: dict[str, int], web: bool = True, broker: bool = True) -> dict[str, Any]:
    """What is told of a certificate, while something is on these ports; and nginx and the broker are well, or not."""
    shown = {other: (port, health.presented("127.0.0.1", port)) for other, port in ports.items()}
    return health.validity(path, shown, {"web": {"ok": web}, "broker": {"ok": broker}})


@pytest.mark.parametrize(
    ("since", "days", "ok", "said"),
    [
        (-2, -1, False, "has expired on"),
        (1, 100, False, "is valid from"),
        (-2, 1, False, "is valid until"),
        (-2, 13, False, "is valid until"),
        (-2, 15, True, "is valid until"),
        (-2, 400, True, "is valid until"),
    ],
)
def test_certificate(
    health: ModuleType, tmp_path: Path, serve: Callable[..., int], since: int, days: int, ok: bool, said: str
) -> None:
    """One that is served and has expired, or is about to, or is not valid yet, is a fault."""
    path = certificate(tmp_path / "certificate.pem", days, since)
    port = serve(path)
    found = judged(health, path, {"web": port, "broker": port})
    assert found["ok"] is ok
    assert found["said"].startswith(f"{path} {said}")


@pytest.mark.parametrize(("days", "said"), [(-1, "has expired on"), (100, "is valid until")])
def test_certificate_that_is_not_the_files(
    health: ModuleType, tmp_path: Path, serve: Callable[..., int], days: int, said: str
) -> None:
    """A file that was renewed is not served yet: whatever it holds, the port that shows another certificate is named."""
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", days)
    web, broker = serve(path), serve(old)
    found = judged(health, path, {"web": web, "broker": broker})
    assert found["ok"] is False
    assert found["said"].startswith(f"port {broker} serves another certificate than {path}, one that {said}")
    assert "run salt-call --local state.highstate" in found["said"]
    assert str(web) not in found["said"].split()
    assert judged(health, path, {"web": web})["ok"] is True
    assert judged(health, path, {"web": broker})["ok"] is False


def test_certificate_that_nobody_shows(health: ModuleType, tmp_path: Path, serve: Callable[..., int]) -> None:
    """What is served cannot be known while nginx or the broker is broken, unless the other port has a fault of its own."""
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", 90)
    port, other = serve(path), serve(old)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        silent = server.getsockname()[1]
        found = judged(health, path, {"web": silent, "broker": port}, web=False)
        assert (found["ok"], found["said"]) == (None, f"not known: port {silent} does not answer, see web")
        assert judged(health, path, {"web": port, "broker": silent}, broker=False)["ok"] is None
        assert judged(health, path, {"web": silent, "broker": other}, web=False)["ok"] is False
        found = judged(health, path, {"web": port, "broker": silent})
    assert found["ok"] is False
    assert found["said"].startswith(f"port {silent} serves no certificate: run salt-call")
    assert judged(health, path, {"web": silent}, web=False)["ok"] is None


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_certificate_that_is_none(health: ModuleType, tmp_path: Path, content: bytes | None) -> None:
    """One that cannot be read is a fault as well."""
    path = tmp_path / "certificate.pem"
    if content is not None:
        path.write_bytes(content)
    assert judged(health, str(path), {})["ok"] is False


def test_secured(health: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS is where the site is, AMQPS where the formula has the broker listen, if it does."""
    monkeypatch.setattr(health, "AMQPS", str(tmp_path / "60-tls.conf"))
    assert health.secured({"listen": "80 default_server"}) == {"web": ("127.0.0.1", 443)}
    (tmp_path / "60-tls.conf").write_text("# Managed\nlisteners.ssl.1 = 0.0.0.0:5671\nssl_options.verify = verify_none\n")
    assert health.secured({"listen": "[::]:80"}) == {"web": ("::1", 443), "broker": ("127.0.0.1", 5671)}
    (tmp_path / "60-tls.conf").write_text("listeners.ssl.1 = :::5671\n")
    assert health.secured({"listen": "192.0.2.7:80"}) == {"web": ("192.0.2.7", 443), "broker": ("::1", 5671)}


def test_website_redirects(health: ModuleType, tmp_path: Path, serve: Callable[..., int]) -> None:
    """A page is fetched where a redirect to HTTPS leads, on the same address and with the same Host, and no further."""
    hosts = []

    class Secure(Quiet):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(302 if self.path == "/loop" else 200)
            self.send_header("Location", "https://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(LOGIN)

    port = serve(certificate(tmp_path / "expired.pem", -1), Secure)

    class Plain(Quiet):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", f"https://scan.example:{port}{self.path}")
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        site = {"listen": plain.server_port, "server_name": "scan.example", "static": {}}
        assert states(health.website(site, "127.0.0.1")) == {"web": True, "static": True}
        assert health.get("127.0.0.1", plain.server_port, "scan.example", "/loop")[0] == 302
        plain.shutdown()
    assert set(hosts) == {"scan.example"}
    assert health.get("127.0.0.1", port, "scan.example", "/login/", secure=True) == (200, LOGIN)


def test_last_lines(health: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of the newest file, short, and without what would move a terminal's cursor."""
    monkeypatch.setattr(health.os.path, "isdir", lambda _: False)
    for number, name in enumerate(("old.log", "new.log")):
        (tmp_path / name).write_text(f"{name} 1\n{name} 2\n{name} \x1b[31m3\n" + "x" * 10_000)
        os.utime(tmp_path / name, (number, number))
    lines = health.last_lines("unit", f"{tmp_path}/*.log")
    assert lines[0] == "x" * 300
    (tmp_path / "new.log").write_text("1\n2\n3\n\x1b[31m4\n")
    assert health.last_lines("unit", f"{tmp_path}/*.log") == ["2", "3", " [31m4"]
    assert health.last_lines("unit", f"{tmp_path}/none") == []


def test_frequency(health: ModuleType) -> None:
    """How often the camera takes a picture stands in its command; else it is Celery's default."""
    for command, seconds in (("x --frequency 2", "2"), ("x --freq=0.5", "0.5"), ("x -F 9 y", "9"), ("x", "1")):
        assert health.frequency({"programs": {"celerycam": {"command": command}}}) == seconds
    for nothing in (None, {}, {"programs": {}}, {"mode_key": "phagescan:mode"}):
        assert health.frequency(nothing) == "1"
        assert health.logs({"supervisord": nothing, "phagescan": {}}, {})["camera"] == ("supervisor", "")


def answering(master: dict[str, Any], worker: dict[str, Any], ran: list[tuple[str, ...]] | None = None) -> Callable[..., Any]:
    """What runs the application's Python: it says these things."""

    def python(site: dict[str, Any], *arguments: str, timeout: float) -> Any:
        said = worker if "worker.status" in arguments else master
        if ran is not None:
            ran.append((site["user"], *arguments))
        if isinstance(said, Exception):
            raise said
        return subprocess.CompletedProcess(arguments, 0, said if isinstance(said, str) else json.dumps(said), "why\n")

    return python


def told(names: tuple[str, ...], **broken: bool | None) -> dict[str, Any]:
    """Parts that are ok, but for some."""
    return {name: {"ok": broken.get(name.replace("-", "_"), True), "said": name} for name in names}


@pytest.fixture
def look(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Looks at a host with a web page."""
    monkeypatch.setattr(health.os.path, "isdir", lambda _: True)
    monkeypatch.setattr(health, "last_lines", lambda *_: [])
    monkeypatch.setattr(health, "disk", lambda _: health.part("free", ok=True))
    monkeypatch.setattr(health, "website", lambda *_: {"web": health.part("", ok=True), "static": health.part("", ok=True)})

    def make(
        python: Callable[..., Any],
        roles: tuple[str, ...] = ("master", "worker"),
        mode: str = "production",
        certificate: str | None = None,
        **paths: str,
    ) -> dict[str, Any]:
        def services(names: dict[str, None]) -> dict[str, dict[str, Any]]:
            return {name: {"running": True, "shut_out": paths.get(name, "")} for name in names}

        def spared(found: dict[str, Any], nodes: dict[str, str], _: Any) -> dict[str, Any]:
            return {name: health.part(f"{nodes} started", ok=True) for name, each in found.items() if "startup" in each}

        pillar = copy.deepcopy(PILLAR)
        pillar["phagescan"]["mode"] = mode
        pillar["nginx"] = {"sites": {"phagescan": {"listen": 80}}}
        return health.parts(pillar, list(roles), python, services, spared, certificate)

    return make


WORKER = ("broker-worker", "scan@unit", "engines", "fetch")


def test_parts(look: Callable[..., dict[str, Any]]) -> None:
    """Each user's Python is asked for what it can know, and the parts come in a sensible order."""
    ran: list[tuple[str, ...]] = []
    found = look(answering(told((*MASTER, "scan@unit")), told(WORKER), ran))
    assert sorted(ran) == [
        ("avscan", "-m", "worker.status", "scan@unit", "/run/celeryd"),
        ("avuser", "manage.py", "status", "--frequency", "7", "--", "master.master", "scan@unit"),
    ]
    assert list(found) == [
        *("broker", "broker-worker", "database", "web", "static", "master.master", "scan@unit"),
        *("camera", "beat", "queues", "engines", "fetch", "disk"),
    ]
    assert set(states(found).values()) == {True}
    assert list(look(answering({}, told(WORKER)), ("worker",))) == ["broker-worker", "scan@unit", "engines", "fetch", "disk"]


def test_the_master_knows_better(look: Callable[..., dict[str, Any]]) -> None:
    """Of what both have looked at the master's word counts, unless it knows nothing."""
    silent = told((*MASTER, "scan@unit")) | {"scan@unit": {"ok": False, "said": "does not answer"}}
    assert states(look(answering(silent, told(WORKER))))["scan@unit"] is False
    assert states(look(answering(told((*MASTER, "scan@unit"), engines=None), told(WORKER))))["engines"] is True


def test_certificate_among_the_parts(
    look: Callable[..., dict[str, Any]],
    health: ModuleType,
    tmp_path: Path,
    serve: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is judged by what the ports of nginx and the broker show; a worker serves none."""
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", 90)
    places = {"web": ("127.0.0.1", serve(path)), "broker": ("127.0.0.1", serve(path))}
    monkeypatch.setattr(health, "secured", lambda _: places)
    python = answering(told((*MASTER, "scan@unit")), told(WORKER))
    assert states(look(python, certificate=path))["certificate"] is True
    places["broker"] = ("127.0.0.1", serve(old))
    assert states(look(python, certificate=path))["certificate"] is False
    assert states(look(python, ("worker",), certificate=path))["certificate"] is True
    places["broker"] = ("127.0.0.1", 1)
    broken = answering(told((*MASTER, "scan@unit"), broker=False), told(WORKER))
    assert states(look(broken, certificate=path))["certificate"] is None


def test_just_started(look: Callable[..., dict[str, Any]]) -> None:
    """What is late because its service was started a moment ago is not broken; Celery's services are known by their nodes."""
    late = told((*MASTER, "scan@unit"), camera=False) | {"beat": {"ok": False, "said": "late", "startup": {}}}
    found = look(answering(late, told(WORKER)))
    assert [name for name, ok in states(found).items() if not ok] == ["camera"]
    services = {"gunicorn": "gunicorn", "master.master": "celeryd-master", "scan@unit": "celeryd"}
    assert found["beat"] == {"ok": True, "said": f"{services} started", "log": []}


def test_shut_out(look: Callable[..., dict[str, Any]]) -> None:
    """A service that answers and cannot write where it should is broken; one that is broken already is told as it is."""
    found = look(answering(told((*MASTER, "scan@unit")), told(WORKER)), gunicorn="/samples", celeryd="/logs")
    assert {name for name, ok in states(found).items() if not ok} == {"web", "scan@unit"}
    assert found["web"]["said"] == "gunicorn cannot write /samples, which was made again: run salt-call --local state.highstate"
    silent = told((*MASTER, "scan@unit")) | {"scan@unit": {"ok": False, "said": "does not answer"}}
    assert look(answering(silent, told(WORKER)), celeryd="/logs")["scan@unit"]["said"] == "does not answer"


def test_blame(look: Callable[..., dict[str, Any]]) -> None:
    """A part that is broken because another is does not count as broken."""
    found = states(look(answering(told(MASTER, broker=False), told(WORKER, broker_worker=False))))
    assert (found["broker"], found["broker-worker"]) == (False, None)
    assert states(look(answering(told(MASTER), told(WORKER, broker_worker=False))))["broker-worker"] is False


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (FileNotFoundError("no python"), "is not installed here"),
        (subprocess.TimeoutExpired("python", 30), "no answer within 30 s"),
        (KeyError("avuser"), "is not installed here"),
        ("Traceback", "why"),
    ],
)
def test_application_that_cannot_look(look: Callable[..., dict[str, Any]], trouble: Any, said: str) -> None:
    """That is a part by itself; what it would have looked at is not known, and the rest is told."""
    found = look(answering(trouble, told(WORKER)))
    assert [name for name, ok in states(found).items() if ok is False] == ["application"]
    assert said in found["application"]["said"]
    assert {name for name, ok in states(found).items() if ok is None} == {*MASTER} - {"engines"}


def test_development(look: Callable[..., dict[str, Any]]) -> None:
    """What is not to run is not looked at, and is no fault."""
    ran: list[tuple[str, ...]] = []
    broken = told(WORKER, fetch=False, engines=False) | {"scan@unit": {"ok": False, "said": ""}}
    found = look(answering(told(("broker", "database")), broken, ran), mode="development")
    assert ("avuser", "manage.py", "status", "--frequency", "7", "--") in ran
    assert {name for name, ok in states(found).items() if ok} == {"broker", "broker-worker", "database", "static", "disk"}
    assert set(found) == {*MASTER, *WORKER, "web", "static", "disk"}
    assert False not in states(found).values()


def test_output(load: Callable[..., ModuleType]) -> None:
    """A line a part, and the log below it."""
    parts = {"web": {"ok": False, "said": "no page", "log": ["1", "2"]}, "beat": {"ok": None, "said": "not known", "log": []}}
    assert load("_output/parts").output({"local": parts}).splitlines() == [
        "BROKEN  web   no page",
        "          1",
        "          2",
        "-       beat  not known",
    ]
    assert load("_output/parts").output({"local": "text"}) == "text"
