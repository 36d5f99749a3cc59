"""Certificates for TLS and their private keys, in PEM files: what is wrong with them, and new ones."""

import datetime
import ipaddress
import os
import pathlib
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFE = datetime.timedelta(days=820)  # clients refuse one that is valid for more than 825 days
RENEWAL = datetime.timedelta(days=30)


def faults(certificate: str, key: str) -> list[tuple[str, str]]:
    """What keeps these files from being served: `certificate` or `key`, and what is wrong with it."""
    return list(_faults(certificate, key))


def faults_of_authority(path: str) -> list[str]:
    """What keeps servers from being verified against this file, by users who are not root."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return [f"{path} holds no certificate in PEM form"]
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    for part in pathlib.Path(path).parents:
        if not part.stat().st_mode & 0o001:
            return [f"{path} is in {part}, which only its owner may enter; put it elsewhere"]
    return [] if os.stat(path).st_mode & 0o004 else [f"others than its owner must be able to read it; chmod o+r {path}"]


def renewal_reason(certificate: str, key: str, hosts: Iterable[str]) -> str:
    """Why our own certificate is to be made again, or nothing."""
    if not os.path.exists(certificate):
        return "there was none"
    for _, reason in _faults(certificate, key):
        return reason
    leaf = _leaf(certificate)
    if leaf.not_valid_after_utc < _now() + RENEWAL:
        return f"it expires on {leaf.not_valid_after_utc:%Y-%m-%d}"
    known = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    missing = [str(name.value) for name in _names(hosts) if name not in known]
    return f"it is not for {', '.join(missing)}" if missing else ""


def make(hosts: Iterable[str]) -> tuple[bytes, bytes]:
    """A new private key and a certificate for these names and addresses, signed with it: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(dict.fromkeys(_names(hosts)))
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, str(names[0].value)[:64])])
    now = _now()
    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    # No authority: whoever trusts it trusts this host, and nothing that its key might sign.
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def write(path: str, content: bytes, mode: int, group: int = 0) -> None:
    """Put a file into its place, whole; no one can read it before its owner and mode are right."""
    folder = pathlib.Path(path).parent
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    new = pathlib.Path(f"{path}.new")
    new.unlink(missing_ok=True)  # a killed run's
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchown(file.fileno(), 0, group)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _faults(certificate: str, key: str) -> Iterator[tuple[str, str]]:
    leaf = private = None
    try:
        leaf = _leaf(certificate)
    except OSError as error:
        yield "certificate", f"{certificate}: {error.strerror}"
    except ValueError:
        yield "certificate", f"{certificate} holds no certificate in PEM form"
    try:
        private = serialization.load_pem_private_key(pathlib.Path(key).read_bytes(), None)
    except OSError as error:
        yield "key", f"{key}: {error.strerror}"
    except TypeError:
        yield "key", f"{key} is encrypted; services start without anybody to ask: give the key without a password"
    except (ValueError, UnsupportedAlgorithm):
        yield "key", f"{key} holds no private key in PEM form"
    if private and os.stat(key).st_mode & 0o007:
        yield "key", f"others than its owner may read it; chmod o-rwx {key}"
    if private and leaf and _public(private) != _public(leaf):
        yield "key", f"{key} is not that of the first certificate in {certificate}"
    if leaf and leaf.not_valid_after_utc < _now():
        yield "certificate", f"{certificate} has expired on {leaf.not_valid_after_utc:%Y-%m-%d}; renew it"
    if leaf and leaf.not_valid_before_utc > _now():
        yield (
            "certificate",
            f"{certificate} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} only; is the clock right?",
        )


def _leaf(path: str) -> x509.Certificate:
    """The server's certificate; those of authorities follow it."""
    return x509.load_pem_x509_certificates(pathlib.Path(path).read_bytes())[0]


def _public(holder: Any) -> bytes:
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _names(hosts: Iterable[str]) -> Iterator[x509.GeneralName]:
    """Names and addresses as a certificate has them. '*' is none, '.domain' is the domain and what is below."""
    for host in hosts:
        try:
            yield x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            if host.startswith("."):
                yield x509.DNSName(f"*{host}".lower())
            if host.strip(".*"):
                yield x509.DNSName(host.strip(".").lower())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
