"""What is wrong with a certificate, and when it is renewed."""

import datetime
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


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


def moved(certificates: Any, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Some days on, or back."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    monkeypatch.setattr(certificates, "_now", lambda: now)


def test_it_lasts_long_enough(certificates: Any, made: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made again 30 days before it expires, after less than the 825 days that clients take."""
    assert certificates.renewal_reason(*made, []) == ""
    moved(certificates, monkeypatch, 789)
    assert certificates.renewal_reason(*made, []) == ""
    moved(certificates, monkeypatch, 791)
    assert certificates.renewal_reason(*made, []).startswith("it expires on ")
    moved(certificates, monkeypatch, 821)
    assert "has expired on" in certificates.renewal_reason(*made, [])


def test_a_key_that_others_could_read(certificates: Any, made: tuple[str, str]) -> None:
    """Is no secret any longer."""
    Path(made[1]).chmod(0o644)
    assert certificates.renewal_reason(*made, []).startswith("others than its owner may read it")


def test_hosts(certificates: Any, made: tuple[str, str]) -> None:
    """A name that pillar adds makes another certificate; one that it takes away does not."""
    assert certificates.renewal_reason(*made, ["*", "Scan.Example"]) == ""
    assert certificates.renewal_reason(*made, ["new.example", "192.0.2.9"]) == "it is not for new.example, 192.0.2.9"


def test_faults(certificates: Any, made: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that is wrong with an operator's files is reported, with the file and what to do."""
    certificate, key = made
    assert certificates.faults(certificate, key) == []
    none = str(tmp_path / "none.pem")
    assert certificates.faults(none, key) == [("certificate", f"{none}: No such file or directory")]
    assert certificates.faults(certificate, none) == [("key", f"{none}: No such file or directory")]
    assert certificates.faults(str(tmp_path), key) == [("certificate", f"{tmp_path}: Is a directory")]
    assert certificates.faults(key, certificate)[0] == ("certificate", f"{key} holds no certificate in PEM form")
    assert certificates.faults(key, certificate)[1] == ("key", f"{certificate} holds no private key in PEM form")
    other = tmp_path / "other.pem"
    other.touch(0o600)
    other.write_bytes(certificates.make(["other.example"])[1])
    assert certificates.faults(certificate, str(other)) == [
        ("key", f"{other} is not that of the first certificate in {certificate}")
    ]
    format, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"unit-test")
    other.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, format, locked))
    ((what, reason),) = certificates.faults(certificate, str(other))
    assert what == "key"
    assert reason.startswith(f"{other} is encrypted; ")
    Path(key).chmod(0o604)
    assert certificates.faults(certificate, key) == [("key", f"others than its owner may read it; chmod o-rwx {key}")]
    Path(key).chmod(0o640)
    assert certificates.faults(certificate, key) == []
    moved(certificates, monkeypatch, 821)
    ((what, reason),) = certificates.faults(certificate, key)
    assert what == "certificate"
    assert reason.startswith(f"{certificate} has expired on ")
    moved(certificates, monkeypatch, -2)
    ((what, reason),) = certificates.faults(certificate, key)
    assert "only; is the clock right?" in reason


def test_faults_of_an_authority(certificates: Any, made: tuple[str, str]) -> None:
    """What a worker verifies by is a certificate that its user can read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        copy, none = Path(folder, "ca.pem"), f"{folder}/none"
        copy.write_bytes(Path(made[0]).read_bytes())
        copy.chmod(0o644)
        assert certificates.faults_of_authority(str(copy)) == [
            f"{copy} is in {folder}, which only its owner may enter; put it elsewhere"
        ]
        Path(folder).chmod(0o755)
        assert certificates.faults_of_authority(str(copy)) == []
        copy.chmod(0o640)
        (fault,) = certificates.faults_of_authority(str(copy))
        assert fault.startswith("others than its owner must be able to read it")
        assert certificates.faults_of_authority(none) == [f"{none}: No such file or directory"]
        assert certificates.faults_of_authority(made[1]) == [f"{made[1]} holds no certificate in PEM form"]
