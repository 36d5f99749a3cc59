"""The engine fileinfo: what it describes."""

import hashlib
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yara
from pypdf import PdfWriter

from samples import tiny_pdf, tiny_pe


def test_fileinfo_describes_a_text(scan: Callable[..., Any], engines: Any) -> None:
    """Type, size, hashes and entropy, all of them text; it judges nothing."""
    engine = engines.engine_class("fileinfo")({})
    engine.self_test()
    assert engine.kind == "metadata"
    assert engine.version().startswith("libmagic 5.")
    found = scan("fileinfo", b"ab" * 50)
    assert found.infected is None
    assert found.metadata["mime"] == "text/plain"
    assert (found.metadata["size"], found.metadata["entropy"]) == ("100", "1.00")
    for name in ("md5", "sha1", "sha256"):
        assert found.metadata[name] == hashlib.new(name, b"ab" * 50).hexdigest()
    assert all(isinstance(value, str) for value in found.metadata.values())


@pytest.mark.parametrize("data", [b"", b"\0" * 9, bytes(range(256)) * 10_000, b"words and more words " * 200_000])
def test_fileinfo_says_the_same_of_what_is_too_long_for_memory(
    engines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """Size, hashes and entropy of a file that libyara cannot have in memory are those that it would have said."""
    path = tmp_path / "sample"
    path.write_bytes(data)
    engine = engines.engine_class("fileinfo")({})
    found = engine.scan(path).metadata
    assert (found["size"], found["sha256"]) == (str(len(data)), hashlib.sha256(data).hexdigest())

    def refuse(*_: Any, **__: Any) -> None:
        raise yara.Error("could not map file into memory")

    monkeypatch.setattr(engine, "rules", SimpleNamespace(match=refuse))
    assert engine.scan(path).metadata == found


def test_fileinfo_describes_an_empty_file(scan: Callable[..., Any]) -> None:
    """It has no entropy."""
    metadata = scan("fileinfo", b"").metadata
    assert (metadata["size"], metadata["entropy"], metadata["type"]) == ("0", "0.00", "empty")


def test_fileinfo_describes_a_windows_program(scan: Callable[..., Any]) -> None:
    """What its headers say."""
    metadata = scan("fileinfo", tiny_pe()).metadata
    assert metadata["pe.machine"] == "amd64"
    assert metadata["pe.kind"] == "exe"
    assert metadata["pe.timestamp"] == "2020-09-13T12:26:40+00:00"
    assert metadata["pe.sections"] == ".text, .data"
    assert metadata["pe.entry"] == "0x1000"
    assert metadata["pe.imports"] == "0"
    assert "malformed" not in metadata


def test_fileinfo_describes_a_program_of_this_host(scan: Callable[..., Any]) -> None:
    """ELF, with the libraries that it needs."""
    metadata = scan("fileinfo", Path(shutil.which("true") or "/bin/true").read_bytes()).metadata
    assert metadata["elf.bits"] in ("32", "64")
    assert metadata["elf.kind"] in ("exec", "dyn")
    assert "libc.so" in metadata["elf.libraries"]
    assert "ld-linux" in metadata["elf.interpreter"]
    assert "malformed" not in metadata


def test_fileinfo_describes_a_pdf_document(scan: Callable[..., Any]) -> None:
    """Pages, encryption, and whether it has a script."""
    metadata = scan("fileinfo", tiny_pdf()).metadata
    assert (metadata["pdf.pages"], metadata["pdf.encrypted"], metadata["pdf.javascript"]) == ("1", "no", "no")
    assert scan("fileinfo", tiny_pdf("app.alert(1)")).metadata["pdf.javascript"] == "yes"


def test_fileinfo_stops_at_an_encrypted_pdf_document(scan: Callable[..., Any]) -> None:
    """It says that it is encrypted, and that is not malformed."""
    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    writer.encrypt("secret", algorithm="RC4-128")
    out = BytesIO()
    writer.write(out)
    metadata = scan("fileinfo", out.getvalue()).metadata
    assert metadata["pdf.encrypted"] == "yes"
    assert "malformed" not in metadata


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("pe", b"MZ" + bytes(200)),
        ("pe", tiny_pe()[:100]),
        ("elf", b"\x7fELF\x02\x01\x01" + bytes(9)),
        ("elf", b"\x7fELF" + b"\xff" * 300),
        ("pdf", b"%PDF-1.7\nand then nothing of the kind"),
    ],
)
def test_fileinfo_names_the_malformed(scan: Callable[..., Any], kind: str, data: bytes) -> None:
    """What is known of every file is known, and a key says of what kind the file pretends to be."""
    metadata = scan("fileinfo", data).metadata
    assert metadata["malformed"].startswith(f"{kind}: ")
    assert metadata["size"] == str(len(data))
