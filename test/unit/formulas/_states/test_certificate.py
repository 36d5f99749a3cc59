"""A certificate of our own: made once, renewed in time, copied for a reader."""

import grp
import os
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

GRAINS = {
    "host": "scan",
    "fqdn": "scan.example",
    "ipv4": ["127.0.0.1", "192.0.2.7"],
    "ipv6": ["::1", "fe80::1", "2001:db8::7"],
}


@pytest.fixture
def state(load: Callable[..., Any], certificates: Any) -> Callable[..., Any]:
    """Makes the state module, for a run or a preview."""

    def make(*, test: bool = False) -> Any:
        names = ("renewal_reason", "make", "write")
        functions = {f"certificates.{name}": getattr(certificates, name) for name in names}
        return load("_states/certificate", __opts__={"test": test}, __grains__=GRAINS, __utils__=functions)

    return make


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Where certificate and key are to be."""
    return str(tmp_path / "tls" / "certificate.pem"), str(tmp_path / "tls" / "key.pem")


@pytest.fixture
def made(certificates: Any, files: tuple[str, str]) -> tuple[str, str]:
    """A certificate of our own, and its key."""
    certificate, key = certificates.make(["scan.example", "127.0.0.1"])
    certificates.write(files[0], certificate, 0o644)
    certificates.write(files[1], key, 0o600)
    return files


def serve(files: tuple[str, str], name: str) -> str:
    """What a client that trusts this certificate thinks of a server that shows it, as `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    here, there = socket.socketpair()

    def answer() -> None:
        try:
            context.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=answer)
    thread.start()
    client = ssl.create_default_context(cafile=files[0])
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    try:
        client.wrap_socket(here, server_hostname=name).close()
    except ssl.SSLCertVerificationError as error:
        here.close()
        return error.verify_message
    finally:
        thread.join()
    return ""


def test_made_once(state: Callable[..., Any], files: tuple[str, str]) -> None:
    """A certificate and a key that no one else reads; the second run changes nothing."""
    arguments = (*files, ["*", "web.example", ".sub.example", "[2001:db8::8]"])
    preview = state(test=True).self_signed(*arguments)
    assert (preview["result"], preview["changes"]) == (None, {files[0]: "to be made"})
    assert not Path(files[0]).parent.exists()
    result = state().self_signed(*arguments)
    assert (result["result"], result["changes"]) == (True, {files[0]: "made"})
    assert [Path(path).stat().st_mode & 0o777 for path in files] == [0o644, 0o600]
    for test in (False, True):
        again = state(test=test).self_signed(*arguments)
        assert (again["result"], again["changes"]) == (True, {})
    assert Path(files[1]).read_text().splitlines()[1] not in str(result)
    names = ("scan", "scan.example", "localhost", "127.0.0.1", "192.0.2.7", "2001:db8::7", "2001:db8::8", "web.example")
    for name in (*names, "sub.example", "a.sub.example"):
        assert serve(files, name) == ""
    made = x509.load_pem_x509_certificate(Path(files[0]).read_bytes())
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    for name in ("other.example", "192.0.2.8", "a.web.example"):
        assert "mismatch" in serve(files, name) or "not valid for" in serve(files, name)


@pytest.mark.parametrize("damaged", [0, 1])
@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_damaged(
    state: Callable[..., Any], certificates: Any, made: tuple[str, str], damaged: int, content: bytes | None
) -> None:
    """What a crash or a slip has left of it is replaced, both files together."""
    path = Path(made[damaged])
    path.unlink() if content is None else path.write_bytes(content)
    assert state(test=True).self_signed(*made, [])["result"] is None
    assert state().self_signed(*made, [])["changes"]
    assert certificates.faults(*made) == []
    assert serve(made, "127.0.0.1") == ""


def test_a_failure_is_told(state: Callable[..., Any], tmp_path: Path) -> None:
    """A directory that cannot be is no crash."""
    (tmp_path / "tls").touch()
    result = state().self_signed(str(tmp_path / "tls/certificate.pem"), str(tmp_path / "tls/key.pem"), [])
    assert result["result"] is False
    assert "tls" in result["comment"]


def test_copied(state: Callable[..., Any], certificates: Any, made: tuple[str, str], tmp_path: Path) -> None:
    """One file with both, for one reader; a renewed certificate is another file, the same one is not touched."""
    group, name = grp.getgrgid(os.getgid()).gr_name, str(tmp_path / "server" / "server.pem")
    preview = state(test=True).copied(name, *made, group)
    assert (preview["result"], preview["changes"], Path(name).exists()) == (None, {name: "to be copied"}, False)
    result = state().copied(name, *made, group)
    assert (result["result"], result["changes"]) == (True, {name: "copied"})
    assert Path(name).read_bytes() == Path(made[0]).read_bytes() + Path(made[1]).read_bytes()
    assert Path(name).stat().st_mode & 0o777 == (0o600 if group == "root" else 0o640)
    assert state().copied(name, *made, group)["changes"] == {}
    assert Path(made[1]).read_text().splitlines()[1] not in str(result)
    Path(name).chmod(0o644)
    assert state().copied(name, *made, group)["changes"] == {name: "copied"}
    certificate, key = certificates.make(["scan.example"])
    certificates.write(made[0], certificate, 0o644)
    certificates.write(made[1], key, 0o600)
    assert state().copied(name, *made, group)["changes"] == {name: "copied"}
    ssl.create_default_context().load_cert_chain(name)


def test_copied_before_there_is_anything(state: Callable[..., Any], files: tuple[str, str], tmp_path: Path) -> None:
    """A preview of a bare host foresees it; a run says what is missing."""
    name = str(tmp_path / "server.pem")
    assert state(test=True).copied(name, *files, "no-such-group")["result"] is None
    result = state().copied(name, *files)
    assert result["result"] is False
    assert files[0] in result["comment"]
