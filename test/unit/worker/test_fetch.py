"""How a worker fetches a sample from its master."""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def test_a_sample_is_fetched_into_a_private_file(fetch: Any, server: Callable[..., SimpleNamespace]) -> None:
    """Which is gone afterwards. The address says nothing: the signature is in a header."""
    body = os.urandom(300_000)
    master = server([(200, body)])
    with fetch.sample(master.url + "/scan/", "signed:x", "5c1c") as path:
        assert path.read_bytes() == body
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()
    assert master.paths == ["/scan/fetch/"]
    assert master.headers == [("Signature signed:x", "5c1c")]


@pytest.mark.parametrize("signed", ["two\r\nlines: x", "\N{EURO SIGN}"])
def test_a_signature_that_is_none_is_not_sent(fetch: Any, server: Callable[..., SimpleNamespace], signed: str) -> None:
    """And not reported to anyone."""
    master = server([(200, b"")])
    with pytest.raises(fetch.UnwantedError, match="the signature is none"), fetch.sample(master.url, signed, "5c1c"):
        pass
    assert master.paths == []


@pytest.fixture
def certified(load: Callable[..., Any], tmp_path: Path) -> Callable[[str], tuple[str, ssl.SSLContext]]:
    """Makes a certificate for one name: its file, and what a server shows it with."""

    def make(name: str) -> tuple[str, ssl.SSLContext]:
        path = tmp_path / f"{name}.pem"
        path.write_bytes(b"".join(load("_utils/certificates").make([name])))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return str(path), context

    return make


def test_a_sample_is_fetched_from_a_master_that_is_known(
    fetch: Any, server: Callable[..., SimpleNamespace], certified: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, by a certificate that is trusted, and that is for the master's name; from no one else."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    known, context = certified("127.0.0.1")
    master = server([(200, b"all")], context)
    with fetch.sample(master.url, "x", "5c1c", known) as path:
        assert path.read_bytes() == b"all"
    monkeypatch.setenv("SSL_CERT_FILE", known)  # stands for the system's
    with fetch.sample(master.url, "x", "5c1c") as path:
        assert path.read_bytes() == b"all"
    monkeypatch.delenv("SSL_CERT_FILE")
    other, context = certified("192.0.2.1")
    impostor = server([(200, b"all")], context)
    for url, ca_certs, reason in (
        (master.url, other, "self-signed certificate"),
        (master.url, "", "self-signed certificate"),
        (impostor.url, other, "IP address mismatch"),
        (master.url, "/nowhere", "/nowhere is of no use: "),
    ):
        with pytest.raises(fetch.AwayError, match=reason), fetch.sample(url, "x", "5c1c", ca_certs):
            pass
    assert (len(master.paths), impostor.paths) == (2, [])


def test_an_empty_sample_is_a_sample(fetch: Any, server: Callable[..., SimpleNamespace]) -> None:
    """Of no bytes."""
    with fetch.sample(server([(200, b"")]).url, "x", "5c1c") as path:
        assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("status", "reason"), [(204, "verdict already"), (403, "signature"), (410, "set the sample aside")]
)
def test_some_answers_end_the_task(
    fetch: Any, server: Callable[..., SimpleNamespace], status: int, reason: str, tmp_path: Path
) -> None:
    """At the first attempt, and nothing stays behind."""
    master = server([(status, b"")])
    with pytest.raises(fetch.UnwantedError, match=reason), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) == 1
    assert not list((tmp_path / "tmp").glob("*/*"))


@pytest.mark.parametrize(
    "trouble",
    [
        (502, b"restarting"),
        (404, b"another site"),
        (302, b"", {"Location": "/login/"}),
        (200, b"half", {"Content-Length": "8"}),
        (200, b"unknown length", {"Content-Length": ""}),
    ],
)
def test_other_answers_are_waited_out(fetch: Any, server: Callable[..., SimpleNamespace], trouble: tuple) -> None:
    """A redirect is not followed, half a sample is none, and the next attempt begins at the beginning."""
    master = server([trouble, trouble, (200, b"all")])
    with fetch.sample(master.url, "x", "5c1c") as path:
        assert path.read_bytes() == b"all"
    assert master.paths == ["/fetch/"] * 3
    assert master.headers == [("Signature x", "5c1c")] * 3


def test_a_master_that_stays_away_is_given_up(
    fetch: Any, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its last error."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    master = server([(503, b"")])
    with pytest.raises(fetch.AwayError, match="status 503"), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) > 1
    with pytest.raises(fetch.AwayError, match="refused"), fetch.sample("http://127.0.0.1:1", "x", "5c1c"):
        pass


@pytest.fixture
def full(fetch: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk has no room for what is written of a sample."""
    make = fetch.tempfile.mkstemp

    def mkstemp(**options: Any) -> tuple[int, str]:
        descriptor, name = make(**options)
        os.dup2(disk.fileno(), descriptor)
        return descriptor, name

    with open("/dev/full", "wb", buffering=0) as disk, monkeypatch.context() as patch:
        patch.setattr(fetch.tempfile, "mkstemp", mkstemp)
        yield


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("size", [1, 300_000])
def test_a_full_disk_is_not_taken_for_a_master_that_is_away(
    fetch: Any, server: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is asked once, and nothing stays behind."""
    # A device cannot be truncated.
    monkeypatch.setattr(fetch, "empty", lambda _: None)
    master = server([(200, b"x" * size)])
    with pytest.raises(OSError, match="No space left"), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) == 1
    assert not list((tmp_path / "tmp").glob("*/*"))


def test_what_killed_workers_left_is_removed(
    fetch: Any, server: Callable[..., SimpleNamespace], tmp_path: Path
) -> None:
    """However new it is; nothing that is in use, and nothing of anyone else's."""
    left, other = fetch.directory() / "left", tmp_path / "tmp" / "other"
    for path in (left, other):
        path.touch()
    with fetch.sample(server([(200, b"in use")]).url, "x", "5c1c") as path:
        fetch.remove_leftovers()
        assert path.exists()
    assert not left.exists()
    assert other.exists()


def test_the_directory_of_the_samples_is_private(fetch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that others may enter is closed, and one that belongs to somebody else is not used."""
    path = fetch.directory()
    assert path.parent == tmp_path / "tmp"
    path.chmod(0o755)
    assert fetch.directory().stat().st_mode & 0o777 == 0o700
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not this user's directory"):
        fetch.directory()
    path.unlink()
    path.touch()
    with pytest.raises(FileExistsError):
        fetch.directory()
    me = os.geteuid()
    (tmp_path / "tmp" / f"phagescan-worker-{me + 1}").mkdir()
    monkeypatch.setattr(fetch.os, "geteuid", lambda: me + 1)
    with pytest.raises(PermissionError, match="is not this user's directory"):
        fetch.directory()


def test_a_connection_is_kept(fetch: Any, server: Callable[..., SimpleNamespace]) -> None:
    """From sample to sample, until the master closes it: then the next sample is fetched over another."""
    answers = [(200, b"one"), (204, b""), (200, b"two"), (200, b"three", {"Connection": "close"}), (200, b"four")]
    master = server(answers, version="HTTP/1.1")
    got = []
    for _ in answers:
        with contextlib.suppress(fetch.UnwantedError), fetch.sample(master.url, "x", "a") as path:
            got.append(path.read_bytes())
    assert got == [b"one", b"two", b"three", b"four"]
    assert [master.clients.index(client) for client in master.clients] == [0, 0, 0, 0, 4]


def test_a_kept_connection_that_has_died_costs_nothing(fetch: Any, server: Callable[..., SimpleNamespace]) -> None:
    """The master was restarted: it is asked once more, at once."""
    master = server([(200, b"one"), (200, b"two")], version="HTTP/1.1")
    with fetch.sample(master.url, "x", "a"):
        pass
    (connection,) = fetch.kept.values()
    connection.sock.shutdown(socket.SHUT_RDWR)
    with fetch.sample(master.url, "x", "a") as path:
        assert path.read_bytes() == b"two"


def test_an_answer_that_was_not_read_to_its_end_is_not_taken_for_the_next(
    fetch: Any, server: Callable[..., SimpleNamespace]
) -> None:
    """Its connection is closed."""
    master = server([(200, b"x" * fetch.CHUNK * 2), (200, b"two")], version="HTTP/1.1")
    with contextlib.closing(fetch.received(master.url, "x", "a")) as chunks:
        next(chunks)
    assert not fetch.kept
    assert b"".join(fetch.received(master.url, "x", "a")) == b"two"
