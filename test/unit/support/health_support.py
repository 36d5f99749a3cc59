"""What is looked at: certificates of any age, servers that log nothing; and what was found."""

import datetime
import http.server
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def states(parts: dict[str, Any]) -> dict[str, bool | None]:
    """Whether each part is ok."""
    return {name: part["ok"] for name, part in parts.items()}


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
    """Answers that no one reads of."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
