"""What is looked into, told from a few bytes."""

import importlib
from pathlib import Path

import pytest

from containers import tarred, zipped


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ""),
        (b"A text.\n", ""),
        (bytes(1000), ""),
        (b"MZ" + bytes(1000), ""),
        (b"MZ" + bytes(99_999) + b"NullsoftInst", "program"),
        (b"%PDF-1.7 /Type /Catalog", ""),
        (b"%PDF-1.7 /EmbeddedFile", "pdf"),
        (b"<html>data</html>", ""),
        (b'<!DOCTYPE html><img src="data:,x">', "page"),
        (zipped(), "archive"),
        (tarred(), "archive"),
        (bytes(257) + b"ustar", "archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "PowerPoint Document".encode("utf-16-le"), "slides"),
        (b"Received: x\nMIME-Version: 1.0\n", "mail"),
        (b"From me\nReceived: x\n", "mailbox"),
        (b"{\\rtf1}", "rtf"),
    ],
)
def test_kind(project: Path, tmp_path: Path, data: bytes, kind: str) -> None:
    """A file is of a kind only where something may be inside."""
    (tmp_path / "sample").write_bytes(data)
    assert importlib.import_module("worker.unpack.kinds").kind_of(tmp_path / "sample") == kind
