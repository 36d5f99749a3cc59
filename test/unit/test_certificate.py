"""Certificates for TLS: made where there is none, copied to who serves them, and what is wrong with those of others."""

import datetime
import grp
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

GRAINS = {"host": "scan", "fqdn": "scan.example", "ipv4": ["127.0.0.1", "192.0.2.7"], "ipv6": ["::1", "fe80::1", "2001:db8::7"]}


@pytest.fixture
def utils(load: Callable[..., ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What is known of certificates; files keep their owner, as the tests may have to."""
    module = load("_utils/certificates")
    monkeypatch.setattr(module.os, "fchown", lambda *_: None)
    return module


@pytest.fixture
def state(load: Callable[..., ModuleType], utils: ModuleType) -> Callable[..., ModuleType]:
    """Makes the state module, for a run or a preview."""

    def make(*, test: bool = False) -> ModuleType:
        names = ("outworn", "make", "write")
        functions = {f"certificates.{name}": getattr(utils, name) for name in names}
        return load("_states/certificate", __opts__={"test": test}, __grains__=GRAINS, __utils__=functions)

    return make


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Where certificate and key are to be."""
    return str(tmp_path / "tls" / "certificate.pem"), str(tmp_path / "tls" / "key.pem")


@pytest.fixture
def made(utils: ModuleType, files: tuple[str, str]) -> tuple[str, str]:
    """A certificate of our own, and its key."""
    certificate, key = utils.make(["scan.example", "127.0.0.1"])
    utils.write(files[0], certificate, 0o644)
    utils.write(files[1], key, 0o600)
    return files


def moved(utils: ModuleType, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Some days on, or back."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    monkeypatch.setattr(utils, "_now", lambda: now)


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


def test_made_once(state: Callable[..., ModuleType], files: tuple[str, str]) -> None:
    """A certificate and a key that nobody else reads; the second run changes nothing."""
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


def test_it_lasts_long_enough(utils: ModuleType, made: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made anew 30 days before it expires, after less than the 825 days that clients take."""
    assert utils.outworn(*made, []) == ""
    moved(utils, monkeypatch, 789)
    assert utils.outworn(*made, []) == ""
    moved(utils, monkeypatch, 791)
    assert utils.outworn(*made, []).startswith("it expires on ")
    moved(utils, monkeypatch, 821)
    assert "has expired on" in utils.outworn(*made, [])


@pytest.mark.parametrize("damaged", [0, 1])
@pytest.mark.parametrize("content", [None, b"", b"torn"])
def test_damaged(
    state: Callable[..., ModuleType], utils: ModuleType, made: tuple[str, str], damaged: int, content: bytes | None
) -> None:
    """What a crash or a slip has left of it is replaced, both files together."""
    path = Path(made[damaged])
    path.unlink() if content is None else path.write_bytes(content)
    assert state(test=True).self_signed(*made, [])["result"] is None
    assert state().self_signed(*made, [])["changes"]
    assert utils.faults(*made) == []
    assert serve(made, "127.0.0.1") == ""


def test_a_key_that_others_could_read(utils: ModuleType, made: tuple[str, str]) -> None:
    """Is no secret any longer."""
    Path(made[1]).chmod(0o644)
    assert utils.outworn(*made, []).startswith("others than its owner may read it")


def test_hosts(utils: ModuleType, made: tuple[str, str]) -> None:
    """A name that pillar adds makes another certificate; one that it takes away does not."""
    assert utils.outworn(*made, ["*", "Scan.Example"]) == ""
    assert utils.outworn(*made, ["new.example", "192.0.2.9"]) == "it is not for new.example, 192.0.2.9"


def test_a_failure_is_told(state: Callable[..., ModuleType], tmp_path: Path) -> None:
    """A directory that cannot be is no crash."""
    (tmp_path / "tls").touch()
    result = state().self_signed(str(tmp_path / "tls/certificate.pem"), str(tmp_path / "tls/key.pem"), [])
    assert result["result"] is False
    assert "tls" in result["comment"]


def test_copied(state: Callable[..., ModuleType], utils: ModuleType, made: tuple[str, str], tmp_path: Path) -> None:
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
    certificate, key = utils.make(["scan.example"])
    utils.write(made[0], certificate, 0o644)
    utils.write(made[1], key, 0o600)
    assert state().copied(name, *made, group)["changes"] == {name: "copied"}
    ssl.create_default_context().load_cert_chain(name)


def test_copied_before_there_is_anything(state: Callable[..., ModuleType], files: tuple[str, str], tmp_path: Path) -> None:
    """A preview of a bare host foresees it; a run says what is missing."""
    name = str(tmp_path / "server.pem")
    assert state(test=True).copied(name, *files, "no-such-group")["result"] is None
    result = state().copied(name, *files)
    assert result["result"] is False
    assert files[0] in result["comment"]


def test_faults(utils: ModuleType, made: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that is wrong with an operator's files is told, with the file and what to do."""
    certificate, key = made
    assert utils.faults(certificate, key) == []
    none = str(tmp_path / "none.pem")
    assert utils.faults(none, key) == [("certificate", f"{none}: No such file or directory")]
    assert utils.faults(certificate, none) == [("key", f"{none}: No such file or directory")]
    assert utils.faults(str(tmp_path), key) == [("certificate", f"{tmp_path}: Is a directory")]
    assert utils.faults(key, certificate)[0] == ("certificate", f"{key} holds no certificate in PEM form")
    assert utils.faults(key, certificate)[1] == ("key", f"{certificate} holds no private key in PEM form")
    other = tmp_path / "other.pem"
    other.touch(0o600)
    other.write_bytes(utils.make(["other.example"])[1])
    assert utils.faults(certificate, str(other)) == [("key", f"{other} is not that of the first certificate in {certificate}")]
    format, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"unit-test")
    other.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, format, locked))
    ((what, reason),) = utils.faults(certificate, str(other))
    assert what == "key"
    assert reason.startswith(f"{other} is encrypted; ")
    Path(key).chmod(0o604)
    assert utils.faults(certificate, key) == [("key", f"others than its owner may read it; chmod o-rwx {key}")]
    Path(key).chmod(0o640)
    assert utils.faults(certificate, key) == []
    moved(utils, monkeypatch, 821)
    ((what, reason),) = utils.faults(certificate, key)
    assert what == "certificate"
    assert reason.startswith(f"{certificate} has expired on ")
    moved(utils, monkeypatch, -2)
    ((what, reason),) = utils.faults(certificate, key)
    assert "only; is the clock right?" in reason


def test_faults_of_an_authority(utils: ModuleType, made: tuple[str, str]) -> None:
    """What a worker verifies by is a certificate that its user can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        copy, none = Path(folder, "ca.pem"), f"{folder}/none"
        copy.write_bytes(Path(made[0]).read_bytes())
        copy.chmod(0o644)
        assert utils.faults_of_authority(str(copy)) == [
            f"{copy} is in {folder}, which only its owner may enter; put it elsewhere"
        ]
        Path(folder).chmod(0o755)
        assert utils.faults_of_authority(str(copy)) == []
        copy.chmod(0o640)
        (fault,) = utils.faults_of_authority(str(copy))
        assert fault.startswith("others than its owner must be able to read it")
        assert utils.faults_of_authority(none) == [f"{none}: No such file or directory"]
        assert utils.faults_of_authority(made[1]) == [f"{made[1]} holds no certificate in PEM form"]


def test_where_they_are(load: Callable[..., ModuleType], minion: Callable[..., SimpleNamespace]) -> None:
    """Formulas are told where certificate and key are by one function, and that there are none."""
    for given, told in (
        (None, {}),
        ({}, {}),
        ({"self_signed": False}, {}),
        ({"certificate": "/a", "key": "/b"}, {"certificate": "/a", "key": "/b"}),
        ({"self_signed": True}, {"certificate": "/etc/phagescan/tls/certificate.pem", "key": "/etc/phagescan/tls/key.pem"}),
    ):
        salt = minion({"phagescan": {"tls": given}} if given is not None else {}).salt
        assert load("_modules/phagescan", __salt__=salt).tls() == told
