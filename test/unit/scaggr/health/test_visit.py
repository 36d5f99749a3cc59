"""A visit through the proxy: what is asked there, who is named where it fails, and that nothing is left of it."""

import hashlib
import importlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from health_support import certificate

SAMPLE = {"status": "done", "verdicts": [{"engine": "yara", "outcome": "clean", "error": ""}]}


@pytest.fixture
def visit(scaggr_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which is less patient; an engine is there."""
    module = scaggr_module("health.visit")
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "waiting", lambda engines: 0)
    live = SimpleNamespace(filter=lambda **_: SimpleNamespace(exists=lambda: True))
    monkeypatch.setattr(module, "Engine", SimpleNamespace(objects=live))
    return module


@pytest.fixture
def answered() -> Iterator[Callable[..., tuple[int, list[bytes]]]]:
    """Listens, answers each connection with bytes, and keeps what it was asked."""
    servers: list[socket.socket] = []

    def make(answer: bytes, context: ssl.SSLContext | None = None) -> tuple[int, list[bytes]]:
        asked: list[bytes] = []
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        secure = context.wrap_socket(connection, server_side=True) if context else connection
                        asked.append(secure.recv(65536))
                        secure.sendall(answer)
                    except OSError:
                        continue
                    secure.close()

        threading.Thread(target=serve, daemon=True).start()
        return server.getsockname()[1], asked

    yield make
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def http(status: int, body: bytes) -> bytes:
    """An answer as a server sends it."""
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (status, len(body), body)


def test_asked_as_the_site(visit: Any, answered: Callable[..., Any]) -> None:
    """It comes to the address of this host, and asks for the name that people use."""
    port, asked = answered(http(200, b"{}"))
    door = visit.Door("127.0.0.1", port, "https://scan.example:8443/")
    assert door.ask("upload", "GET", "/api/samples", visit.bearer("token")) == (200, b"{}")
    assert asked[0].startswith(b"GET /api/samples HTTP/1.1\r\n")
    assert b"\r\nHost: scan.example:8443\r\n" in asked[0]
    assert asked[0].count(b"Host:") == 1


def test_certificate(visit: Any, answered: Callable[..., Any], tmp_path: Path) -> None:
    """Whoever shows another certificate than ours is shown no token; ours may have expired."""
    path = certificate(tmp_path / "own.pem", -1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    port, asked = answered(http(200, b"{}"), context)
    pem = re.search(r"-+BEGIN CERT.+END CERTIFICATE-+", Path(path).read_text(), re.DOTALL)
    own = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[0] if pem else "")).hexdigest()
    fingerprint = ":".join(re.findall("..", own.upper()))
    assert visit.Door("127.0.0.1", port, "https://scan.example/", fingerprint).ask("upload", "GET", "/", {})[0] == 200
    with pytest.raises(visit.VisitError, match="shows another certificate than ours"):
        visit.Door("127.0.0.1", port, "https://scan.example/", "00" * 32).ask("upload", "GET", "/", {"A": "b"})
    assert len(asked) == 1 or not asked[1]


def test_nothing_answers(visit: Any) -> None:
    """The address is named, and what to look at."""
    with pytest.raises(visit.VisitError, match=r"at 127.0.0.1:1 for scan.example does not answer") as caught:
        visit.Door("127.0.0.1", 1, "http://scan.example/").ask("upload", "GET", "/", {})
    assert (caught.value.step, caught.value.look) == ("upload", "service nginx status")


@pytest.mark.parametrize(
    ("status", "body", "what", "look"),
    [
        (200, b"the other site", "another site", "server_name"),
        (200, b"{}", "another site", "server_name"),
        (301, b"", "another site, or a redirect", "server_name"),
        (400, b"<h1>Bad Request (400)</h1>", "Django does not answer for that name", "allowed_hosts"),
        (502, b"<h1>down</h1>", "gunicorn does not answer", "service gunicorn status"),
        (500, b"<h1>down</h1>", "gunicorn does not answer", "service gunicorn status"),
        (503, b'{"detail": "no database"}', "status 503, no database", "gunicorn-error.log"),
        (507, b'{"detail": "no room"}', "status 507, no room", "gunicorn-error.log"),
        (401, b'{"detail": "no token"}', "status 401, no token", "phagescan.status"),
    ],
)
def test_who_has_answered(visit: Any, status: int, body: bytes, what: str, look: str) -> None:
    """What is not the API's answer is another's, and each has something to look at."""
    with pytest.raises(visit.VisitError, match=re.escape(what)) as caught:
        visit.json_of(visit.Door("192.0.2.7", 80, "http://a/"), "upload", status, body)
    assert look in caught.value.look


def door(visit: Any, *answers: tuple[int, dict[str, Any]]) -> Any:
    """A door behind which these answers are given, the last one for ever."""
    left = list(answers)

    class Told(visit.Door):
        def ask(self, *_: Any, **__: Any) -> tuple[int, bytes]:
            status, said = left.pop(0) if len(left) > 1 else left[0]
            return status, json.dumps(said | {"sha256": "0"}).encode()

    return Told("192.0.2.7", 80, "http://a/")


def test_verdict(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, also where the proxy says that it is asked too much; one that every engine fails at is none."""
    pending = {"status": "scanning", "verdicts": [{"engine": "yara", "outcome": "pending", "error": ""}]}
    assert visit.verdict(door(visit, (200, pending), (429, {}), (200, SAMPLE)), "0", "token", 5) == ""
    with pytest.raises(visit.VisitError, match=r"of yara did not come within 0 s"):
        visit.verdict(door(visit, (200, pending)), "0", "token", 0)
    torn = {"status": "done", "verdicts": [{"engine": "yara", "outcome": "error", "error": "torn"}]}
    with pytest.raises(visit.VisitError, match=r"failed \(yara: torn\)"):
        visit.verdict(door(visit, (200, torn)), "0", "token", 5)
    monkeypatch.setattr(visit, "waiting", lambda engines: 700)
    assert visit.verdict(door(visit, (200, pending)), "0", "token", 0) == "700 scans wait before it"


def test_verdict_without_workers(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that has no worker yet takes the file, and no verdict is waited for."""
    none = SimpleNamespace(filter=lambda **_: SimpleNamespace(exists=lambda: False))
    monkeypatch.setattr(visit, "Engine", SimpleNamespace(objects=none))
    waiting = door(visit, (200, {"status": "waiting", "verdicts": []}))
    assert "no worker has announced an engine" in visit.verdict(waiting, "0", "token", 60)


class Rows:
    """What visitors have left, in a database and in a directory of samples."""

    def __init__(self, visit: Any, models: Any, samples: Path) -> None:
        self.visit, self.models, self.samples = visit, models, samples
        self.users = visit.get_user_model().objects

    def hand_in(self, user: Any, sha256: str) -> None:
        """A user hands a file in."""
        sample, _ = self.models.Sample.objects.get_or_create(sha256=sha256, size=1)
        run = self.models.ScanRun.objects.create(sample=sample, submitted_by=user, name="file")
        self.models.Verdict.objects.create(run=run, engine="yara")
        sample.path.parent.mkdir(exist_ok=True)
        sample.path.write_text("x")

    def left(self) -> tuple[set[str], set[str], int, int]:
        """Users, samples (rows and files are the same), runs and tokens that are there."""
        rows = set(self.models.Sample.objects.values_list("sha256", flat=True))
        assert rows == {path.name for path in self.samples.glob("*/*")}
        runs = self.models.ScanRun.objects.count()
        assert self.models.Verdict.objects.count() == runs
        tokens = self.models.ApiToken.objects.count()
        return set(self.users.values_list("username", flat=True)), rows, runs, tokens


@pytest.fixture
def rows(visit: Any, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """A user has handed a file in."""
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "SAMPLE_ROOT", str(tmp_path / "samples"))
    (tmp_path / "samples").mkdir()
    found = Rows(visit, database, tmp_path / "samples")
    found.hand_in(found.users.create_user("someone"), "a" * 64)
    return found


def test_nothing_is_left_of_a_visit(rows: Rows) -> None:
    """User, token, sample, its file and verdicts go, in a visit that breaks as well; what others have, too, stays."""
    with suppress(KeyError), rows.visit.visitor() as (name, token):
        visitor = rows.users.get(username=name)
        rows.hand_in(visitor, "a" * 64)
        rows.hand_in(visitor, "b" * 64)
        assert not visitor.has_usable_password()
        assert not visitor.is_superuser
        assert not visitor.get_all_permissions()
        row = rows.models.ApiToken.objects.get(digest=rows.models.ApiToken.digest_of(token))
        assert row.user == visitor
        assert row.expires_at <= rows.visit.clock.now() + rows.visit.LONGEST
        assert rows.left() == ({"someone", name}, {"a" * 64, "b" * 64}, 3, 1)
        raise KeyError
    assert rows.left() == ({"someone"}, {"a" * 64}, 1, 0)


def test_what_a_killed_visit_left(rows: Rows) -> None:
    """The next one removes it, also where the clock was ahead then; not a visit that goes on, nor other users."""
    old, ahead, current = (f"canary-{digit * 32}" for digit in "123")
    for name, age in ((old, 700), (ahead, -3600), (current, 60), ("canary-islands", 700), (f"x-{old}", 700)):
        user = rows.users.create_user(name, date_joined=rows.visit.clock.now() - timedelta(seconds=age))
        rows.hand_in(user, name[-1] * 64)
        rows.models.ApiToken.make(user)
    with rows.visit.visitor():
        pass
    users, samples, runs, tokens = rows.left()
    assert users == {"someone", current, "canary-islands", f"x-{old}"}
    assert (samples, runs, tokens) == ({digit * 64 for digit in "a3s1"}, 4, 3)


def test_a_file_that_cannot_be_removed(rows: Rows) -> None:
    """It is named; the visit fails, and its user is left for the next one."""
    user = rows.users.create_user("canary-" + "1" * 32)
    rows.hand_in(user, "b" * 64)
    path = rows.models.Sample.objects.get(sha256="b" * 64).path
    path.unlink()
    path.mkdir()
    with pytest.raises(rows.visit.VisitError, match=re.escape(f"left {path}")):
        rows.visit.forget(user)
    path.rmdir()
    rows.visit.forget(user)
    assert rows.left() == ({"someone"}, {"a" * 64}, 1, 0)
