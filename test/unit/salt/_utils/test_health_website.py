"""The web page is fetched as a user would, on the address where nginx listens."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from health_support import Quiet, certificate, states

LOGIN = b'<title>Log in - Phagescan</title><form><input name="csrfmiddlewaretoken"></form>'
SVG = b"<svg/>"


@pytest.fixture
def served(tmp_path: Path) -> dict[str, str]:
    """What nginx should serve, and from where."""
    folder = tmp_path / "static"
    (folder / "scaggr").mkdir(parents=True)
    (folder / "scaggr/icon.svg").write_bytes(SVG)
    return {"/static/": f"{folder}/"}


@pytest.fixture
def site(served: dict[str, str]) -> Iterator[Callable[..., dict[str, Any]]]:
    """Makes a site that answers a path with a status and a body."""
    servers = []

    def make(answers: dict[str, tuple[int, bytes]]) -> dict[str, Any]:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                status, body = answers.get(self.path, (404, b""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return {"listen": servers[-1].server_port, "server_name": "_", "static": served}

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


ICON = {"/static/scaggr/icon.svg": (200, SVG)}


@pytest.mark.parametrize(
    ("answers", "web", "static", "said"),
    [
        (ICON | {"/login/": (200, LOGIN)}, True, True, "a page from"),
        (ICON | {"/login/": (200, b"Welcome to nginx!")}, False, True, "is not the page of Phagescan"),
        (ICON | {"/login/": (502, b"")}, False, True, "gunicorn does not answer, and nginx says 502"),
        (ICON | {"/login/": (500, b"")}, False, True, "/login/: status 500"),
        ({"/login/": (200, LOGIN)}, True, False, "a page from"),
        (
            dict.fromkeys(("/login/", "/static/scaggr/icon.svg"), (200, b"the other site")),
            False,
            False,
            "another site's",
        ),
        (ICON | {"/login/": (200, LOGIN.replace(b"Phagescan", b"Other"))}, False, True, "another site's"),
    ],
)
def test_website(
    health: Any, site: Callable[..., dict[str, Any]], answers: dict[str, Any], web: bool, static: bool, said: str
) -> None:
    """A page counts when it is ours, and so does a static file: a stranger's 200 is none."""
    found = health.probes.website(site(answers), "127.0.0.1")
    assert states(found) == {"web": web, "static": static}
    assert said in found["web"]["said"]


@pytest.mark.parametrize("listen", ["127.0.0.1:{}", "*:{} default_server", "0.0.0.0:{}", "{}"])
def test_website_is_asked_where_it_listens(health: Any, site: Callable[..., dict[str, Any]], listen: str) -> None:
    """Every way to say where nginx listens is understood."""
    made = site(ICON | {"/login/": (200, LOGIN)})
    made["listen"] = listen.format(made["listen"])
    assert states(health.probes.website(made, "127.0.0.1")) == {"web": True, "static": True}


def test_website_away(health: Any) -> None:
    """Without nginx there is no page, and of the static files nothing is known."""
    found = health.probes.website({"listen": 1, "server_name": "_", "static": {}}, "127.0.0.1")
    assert states(found) == {"web": False, "static": None}
    assert found["web"]["of"] == "nginx"


def test_the_first_page_may_be_slow(health: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While gunicorn loads the application it answers late; an answer that is wrong, or that nothing listens, is a
    fault.
    """
    site = {"listen": 1, "server_name": "_", "static": {}}

    def get(_address: str, _port: int, _host: str, path: str) -> tuple[int, bytes]:
        if path == "/login/" and not answers:
            raise TimeoutError("timed out")
        return (200, b"") if path != "/login/" else answers.pop()

    monkeypatch.setattr(health.probes, "get", get)
    answers = [(502, b""), (500, b""), (200, b"Welcome to nginx!")]
    while answers:
        assert "startup" not in health.probes.website(site, "127.0.0.1")["web"]
    assert health.probes.website(site, "127.0.0.1")["web"]["startup"] == {"seconds": 20, "nodes": ["gunicorn"]}


def test_website_redirects(health: Any, tmp_path: Path, serve: Callable[..., int], served: dict[str, str]) -> None:
    """A page is fetched where a redirect to HTTPS leads, on the same address and with the same Host, and no further."""
    hosts = []

    class Secure(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            hosts.append(self.headers["Host"])
            self.send_response(302 if self.path == "/loop" else 200)
            self.send_header("Location", "https://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(SVG if self.path.startswith("/static/") else LOGIN)

    port = serve(certificate(tmp_path / "expired.pem", -1), Secure)

    class Plain(Quiet):
        def do_GET(self) -> None:  # noqa: N802
            self.send_response(301)
            self.send_header("Location", f"https://scan.example:{port}{self.path}")
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Plain) as plain:
        threading.Thread(target=plain.serve_forever, args=(0.01,), daemon=True).start()
        site = {"listen": plain.server_port, "server_name": "scan.example", "static": served}
        assert states(health.probes.website(site, "127.0.0.1")) == {"web": True, "static": True}
        assert health.probes.get("127.0.0.1", plain.server_port, "scan.example", "/loop")[0] == 302
        plain.shutdown()
    assert set(hosts) == {"scan.example"}
    assert health.probes.get("127.0.0.1", port, "scan.example", "/login/", secure=True) == (200, LOGIN)
