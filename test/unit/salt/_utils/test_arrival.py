"""The printed address: how it is chosen, and that the login page is there."""

import hashlib
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

LOGIN = b"<title>Log in \xc2\xb7 Phagescan</title> csrfmiddlewaretoken"


@pytest.fixture
def arrival(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, on a host whose default route leaves from 192.0.2.7."""
    module = load("_utils/arrival")
    monkeypatch.setattr(module.firewall, "note", lambda _port: "")
    monkeypatch.setattr(module, "own_address", lambda listen: "[2001:db8::7]" if listen == "[::]" else "192.0.2.7")
    return module


def nginx(listen: Any = 80, server_name: str = "_", tls: bool = False, tls_port: int = 443) -> dict[str, Any]:
    """Settings of nginx."""
    site = {"listen": listen, "server_name": server_name}
    return {"sites": {"phagescan": site}, "tls": {"certificate": "/c"} if tls else {}, "tls_port": tls_port}


@pytest.mark.parametrize(
    ("settings", "phagescan", "url"),
    [
        ({}, {}, "http://192.0.2.7/"),
        ({"listen": 8080}, {}, "http://192.0.2.7:8080/"),
        ({"listen": "0.0.0.0:80 default_server"}, {}, "http://192.0.2.7/"),
        ({"listen": "10.1.2.3:81"}, {}, "http://10.1.2.3:81/"),
        ({"listen": "*:80"}, {}, "http://192.0.2.7/"),
        ({"listen": "[::]:80"}, {}, "http://[2001:db8::7]/"),
        ({"listen": "[2001:DB8:0::5]:80"}, {}, "http://[2001:db8::5]/"),
        ({"listen": "[2001:db8::5]:81"}, {"allowed_hosts": ["2001:db8:0::5"]}, "http://[2001:db8::5]:81/"),
        ({"server_name": "[2001:db8:0::9] scan.example"}, {}, "http://[2001:db8::9]/"),
        ({"tls": True}, {}, "https://192.0.2.7/"),
        ({"tls": True, "tls_port": 8443, "listen": 8080}, {}, "https://192.0.2.7:8443/"),
        ({"server_name": "scan.example www.example"}, {}, "http://scan.example/"),
        ({"server_name": "*.example ~^a"}, {}, "http://192.0.2.7/"),
        ({}, {"allowed_hosts": ["scan.example"]}, "http://scan.example/"),
        ({}, {"allowed_hosts": [".example", "192.0.2.7"]}, "http://192.0.2.7/"),
        ({"server_name": "a.example"}, {"allowed_hosts": [".example", "b.test"]}, "http://a.example/"),
        ({"listen": 81}, {"public_url": "https://scan.example"}, "https://scan.example/"),
    ],
)
def test_url(arrival: Any, settings: dict[str, Any], phagescan: dict[str, Any], url: str) -> None:
    """Port, scheme and name are those that are configured, and that Django answers for."""
    assert arrival.url(nginx(**settings), {"allowed_hosts": ["*"], **phagescan}) == url


def test_own_address(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is that which the default route leaves from, of IPv6 where there is no other; or an interface's."""
    module = load("_utils/arrival")
    routes = {"192.0.2.1": "172.17.0.9", "2001:db8::1": "2001:db8::5"}

    class Probe:
        def __init__(self, *_: Any) -> None:
            pass

        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def connect(self, address: tuple[str, int]) -> None:
            if address[0] not in routes:
                raise OSError("Network is unreachable")
            self.there = address[0]

        def getsockname(self) -> tuple[str, int]:
            return routes[self.there], 1

    asked = list(module.interfaces())
    monkeypatch.setattr(module.socket, "socket", Probe)
    monkeypatch.setattr(module, "interfaces", lambda: iter(["127.0.0.1"]))
    assert module.own_address() == "172.17.0.9"
    assert module.own_address("[::]") == "[2001:db8::5]"
    del routes["192.0.2.1"]
    assert module.own_address() == "[2001:db8::5]"
    routes.clear()
    assert module.own_address() == "127.0.0.1"
    monkeypatch.setattr(module, "interfaces", lambda: iter(["127.0.0.1", "10.0.0.5", "10.0.0.6"]))
    assert module.own_address() == "10.0.0.5"
    assert "127.0.0.1" in asked


def test_asked_as_printed(arrival: Any) -> None:
    """It asks at the address, port and scheme of the URL, by its name."""
    asked: list[Any] = []

    def get(*where: Any) -> tuple[int, bytes]:
        asked.append(where)
        return 200, LOGIN

    assert arrival.knock("https://scan.example:8443/", nginx(), get) == ""
    assert arrival.knock("http://192.0.2.7/", nginx(), get) == ""
    assert asked == [
        ("scan.example", 8443, "scan.example:8443", "/login/", True),
        ("192.0.2.7", 80, "192.0.2.7", "/login/", False),
    ]


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        ((200, b"<h1>It works!</h1>"), "set nginx:sites:phagescan:server_name"),
        ((200, b"csrfmiddlewaretoken of another site"), "set nginx:sites:phagescan:server_name"),
        ((404, b""), "set nginx:sites:phagescan:server_name"),
        ((502, b""), "nginx gets no page of gunicorn .status 502.; see salt-call --local phagescan.status"),
        ((400, b""), "add it to phagescan:allowed_hosts"),
    ],
)
def test_another_page(arrival: Any, answer: tuple[int, bytes], reported: str) -> None:
    """What is not the login page is a failure, which says what to set."""
    with pytest.raises(CommandExecutionError, match=reported):
        arrival.knock("http://192.0.2.7/", nginx(), lambda *_: answer)


def test_firewall(arrival: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others cannot reach is said, where the port is this host's."""
    monkeypatch.setattr(arrival.firewall, "note", lambda port: f"port {port} is closed")
    assert arrival.knock("http://192.0.2.7/", nginx(), lambda *_: (200, LOGIN)) == "port 80 is closed"
    assert arrival.knock("https://192.0.2.7/", nginx(tls=True), lambda *_: (200, LOGIN)) == "port 443 is closed"
    assert arrival.knock("https://192.0.2.7/", nginx(), lambda *_: (200, LOGIN)) == ""


def test_not_reached_from_here(arrival: Any) -> None:
    """A name that does not lead here yet is said; the page is asked for where nginx listens, by that name."""

    def get(name: str, port: int, host: str, *_: Any) -> tuple[int, bytes]:
        if name != "127.0.0.1":
            raise OSError("Name or service not known")
        assert (port, host) == (8080, "scan.example")
        return 200, LOGIN

    note = arrival.knock("https://scan.example/", nginx(8080), get)
    assert note.startswith("https://scan.example/ is not reached from this host (Name or service not known)")


def test_of_ipv6_alone(arrival: Any) -> None:
    """Where nginx listens on IPv6 alone it is asked there."""
    asked = []

    def get(name: str, *_: Any) -> tuple[int, bytes]:
        asked.append(name)
        if name != "::1":
            raise OSError("unreachable")
        return 200, LOGIN

    arrival.knock("http://[2001:db8::7]/", nginx("[::]:80"), get)
    assert asked == ["2001:db8::7", "::1"]


def test_nothing_answers(arrival: Any) -> None:
    """Where nginx does not answer either, that is the failure."""

    def get(*_: Any) -> tuple[int, bytes]:
        raise OSError("refused")

    with pytest.raises(CommandExecutionError, match=r"nginx does not answer at 127\.0\.0\.1:80 \(refused\)"):
        arrival.knock("http://192.0.2.7/", nginx(), get)


def test_fingerprint(arrival: Any, load: Callable[..., Any], tmp_path: Path) -> None:
    """It is that of the server's certificate, which comes first in the file."""
    pem, other = (load("_utils/certificates").make(["localhost"])[0] for _ in range(2))
    (tmp_path / "chain.pem").write_bytes(b"# text\n" + pem + other)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).digest()
    assert arrival.fingerprint(str(tmp_path / "chain.pem")) == ":".join(f"{byte:02X}" for byte in digest)


def test_password_command(arrival: Any, tmp_path: Path) -> None:
    """The command prints the password: from the file that bootstrap made, or by Salt, which decrypts it."""
    path = tmp_path / "check out" / "credentials.sls"
    path.parent.mkdir()
    by_salt = "salt-call --local pillar.get phagescan:admin:password unmask=True"
    assert arrival.password_command(str(path), "sesame") == by_salt
    path.write_bytes(b"#!gpg|yaml\n\xff\n")
    assert arrival.password_command(str(path), "sesame") == by_salt
    path.write_text("phagescan:\n  admin:\n    password: 'sesame'\n")
    command = arrival.password_command(str(path), "sesame")
    assert "sesame" in subprocess.check_output(command, shell=True, text=True)
    assert arrival.password_command(str(path), "of local.sls") == by_salt


def test_door(arrival: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary comes where nginx listens on this host, with TLS at its port, and knows our certificate."""
    plain = ["--url", "http://scan.example/", "--address", "127.0.0.1", "--port", "8080"]
    assert arrival.door("http://scan.example/", nginx("*:8080")) == plain
    monkeypatch.setattr(arrival, "fingerprint", {"/c": "AB:CD"}.get)
    secure = ["--url", "https://a/", "--address", "10.1.2.3", "--port", "8443", "--fingerprint", "AB:CD"]
    assert arrival.door("https://a/", nginx("10.1.2.3:80", tls=True, tls_port=8443)) == secure
