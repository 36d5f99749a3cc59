"""The engines, each by itself: what they say of files whose answer is known."""

import hashlib
import importlib
import logging
import shutil
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

PROJECT = Path(__file__).parents[2] / "roots" / "phagescan"
BASE64 = b"QUJD" * 60


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Salt's logging, loaded by other tests, keeps what is logged here and fails to print it at the end."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module("engines")


@pytest.fixture
def scan(engines: ModuleType, tmp_path: Path) -> Callable[..., Any]:
    """Has an engine look at bytes."""

    def look(engine: str, data: bytes, **options: Any) -> Any:
        path = tmp_path / "sample"
        path.write_bytes(data)
        return engines.load(engine, options).scan(path)

    return look


def eicar() -> bytes:
    """The test file, which stands nowhere in one piece."""
    return importlib.import_module("engines.yara").EICAR


def tiny_pe(section: bytes = b".text") -> bytes:
    """A Windows program without code: a header of 64-bit and two sections."""
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 14, 0, 0, 0, 0, 0x1000, 0x1000, 0x140000000, 0x1000, 0x200)
    optional += struct.pack("<HHHHHHIIIIHHQQQQII", 6, 0, 0, 0, 6, 0, 0, 0x3000, 0x200, 0, 3, 0, 0, 0, 0, 0, 0, 16) + bytes(128)
    coff = struct.pack("<HHIIIHH", 0x8664, 2, 1600000000, 0, 0, len(optional), 0x22)
    names = (section, b"UPX1" if section == b"UPX0" else b".data")
    sections = b"".join(
        struct.pack("<8sIIIIIIHHI", name, 16, 0x1000 * (1 + place), 0x200, 0x200, 0, 0, 0, 0, 0x60000020)
        for place, name in enumerate(names)
    )
    head = b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + coff + optional + sections
    return head.ljust(0x400, b"\0")


def tiny_pdf(script: str = "") -> bytes:
    """A PDF document of one page."""
    writer = PdfWriter()
    writer.add_blank_page(72, 72)
    if script:
        action = {"/Type": "/Action", "/S": "/JavaScript"}
        names = {NameObject(key): NameObject(value) for key, value in action.items()}
        names[NameObject("/JS")] = TextStringObject(script)
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(names)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_yara_names_the_eicar_test_file(scan: Callable[..., Any]) -> None:
    """By the name of the rule; what is appended to the file does not hide it."""
    for data in (eicar(), eicar() + b"\r\nmore"):
        found = scan("yara", data)
        assert (found.infected, found.name) == (True, "EICAR_Test_File")
        assert found.metadata == {"rules": "EICAR_Test_File", "tags": "test"}


@pytest.mark.parametrize("data", [b"", b"A text.\n", b"not at the start: ", bytes(range(256)) * 64, BASE64])
def test_yara_finds_nothing_in_plain_files(scan: Callable[..., Any], data: bytes) -> None:
    """Nothing at all: no threat and no oddity; a text that quotes the test file is not the test file."""
    found = scan("yara", data + eicar() if data.endswith(b": ") else data)
    assert (found.infected, found.name, found.metadata) == (False, "", {})


ODD = {
    "PE_Packed_With_UPX": [tiny_pe(b"UPX0")],
    "Script_Evaluates_Base64": [
        b"<?php @eval(base64_decode('" + BASE64 + b"'));",
        b'<?php eval ( gzinflate(base64_decode( "' + BASE64 + b'")));',
        b"window.x = 1; eval(atob('" + BASE64 + b"'))",
        b"import base64\nexec(base64.b64decode(b'" + BASE64 + b"'))\n",
        b'IEX ([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String("' + BASE64 + b'")))',
        b"@echo off\r\npowershell -nop -w hidden -enc " + BASE64,
    ],
    "Office_Macro_Runs_By_Itself": [
        bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512) + "_VBA_PROJECT".encode("utf-16le") + bytes(9) + b"Document_Open\0",
    ],
    "PDF_Runs_JavaScript_When_Opened": [b"%PDF-1.4\n1 0 obj <</OpenAction 2 0 R>>\n2 0 obj <</S/JavaScript/JS(app)>>"],
    "Shortcut_Starts_Script_Host": [bytes.fromhex("4c0000000114020000000000c000") + "x\\PowerShell.exe".encode("utf-16le")],
}


@pytest.mark.parametrize(("rule", "data"), [(rule, data) for rule, samples in ODD.items() for data in samples])
def test_yara_names_oddities_and_accuses_nobody(scan: Callable[..., Any], rule: str, data: bytes) -> None:
    """An oddity is among the rules, and the sample is clean."""
    found = scan("yara", data)
    assert (found.infected, found.name, found.metadata["rules"]) == (False, "", rule)
    assert "oddity" in found.metadata["tags"]


@pytest.mark.parametrize(
    "data",
    [
        tiny_pe(),
        b"<?php echo base64_decode('" + BASE64 + b"');",
        b"const logo = 'data:image/png;base64," + BASE64 + b"'; // never eval this",
        bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512) + b"Document_Open without a macro",
        b"%PDF-1.4\n1 0 obj <</OpenAction [3 0 R /Fit]>>",
        b"UPX0\0UPX1\0 in a text, and /JavaScript /OpenAction",
    ],
)
def test_yara_takes_the_ordinary_for_ordinary(scan: Callable[..., Any], data: bytes) -> None:
    """Half of an oddity is none."""
    assert scan("yara", data).metadata == {}


def test_yara_adds_the_rules_of_the_operator(scan: Callable[..., Any], engines: ModuleType, tmp_path: Path) -> None:
    """They name threats, may use names and variables that others use, and change the version."""
    rules = tmp_path / "yara.d"
    rules.mkdir()
    options = {"rules": str(rules)}
    before = engines.load("yara", options).version()
    (rules / "mine.yar").write_text('rule EICAR_Test_File : mine { strings: $a = "badge" condition: $a and filename == "" }')
    (rules / "ignored.txt").write_text("not a rule")
    found = scan("yara", b"a badge", **options)
    assert (found.infected, found.name, found.metadata["tags"]) == (True, "EICAR_Test_File", "mine")
    assert scan("yara", eicar(), **options).name == "EICAR_Test_File"
    assert engines.load("yara", options).version() != before
    assert engines.load("yara", {"rules": str(tmp_path / "none")}).version() == before


def test_yara_leaves_broken_rules_out_and_says_so(scan: Callable[..., Any], engines: ModuleType, tmp_path: Path) -> None:
    """The other rules work, the self-test passes, and the version names the file."""
    (tmp_path / "broken.yar").write_text("rule Broken { condition: nonsense }")
    (tmp_path / "good.yar").write_text('rule Good { strings: $a = "badge" condition: $a }')
    engine = engines.load("yara", {"rules": str(tmp_path)})
    engine.self_test()
    assert 'without broken.yar(1): undefined identifier "nonsense"' in engine.version()
    assert str(tmp_path) not in engine.version()
    assert scan("yara", b"a badge", rules=str(tmp_path)).name == "Good"
    assert scan("yara", eicar(), rules=str(tmp_path)).name == "EICAR_Test_File"


def test_yara_notices_in_its_self_test_that_a_rule_accuses_every_file(engines: ModuleType, tmp_path: Path) -> None:
    """Such a rule would make the engine useless."""
    (tmp_path / "all.yar").write_text("rule Everything { condition: true }")
    with pytest.raises(RuntimeError, match="Everything"):
        engines.load("yara", {"rules": str(tmp_path)}).self_test()


def test_nothing_in_the_tree_is_the_eicar_test_file() -> None:
    """A scanner of this repository finds nothing."""
    sys.path.insert(0, str(PROJECT))
    try:
        needle = eicar()
    finally:
        sys.path.remove(str(PROJECT))
    for folder in (PROJECT / "engines", PROJECT / "worker", Path(__file__).parent):
        assert not [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_fileinfo_describes_a_text(scan: Callable[..., Any], engines: ModuleType) -> None:
    """Type, size, hashes and entropy, all of them text; it judges nothing."""
    engine = engines.load("fileinfo", {})
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


class Clamd:
    """A daemon that speaks the protocol of clamd, as far as it is used, and remembers what it got."""

    def __init__(self, path: Path) -> None:
        """Listen."""
        self.received: list[bytes] = []
        self.limit = 1 << 30
        self.found = {eicar(): "Eicar-Test"}
        self.pong = b"PONG\0"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Answer one command a connection."""
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                self.perform(stream)

    def perform(self, stream: Any) -> None:
        """Read a command and write its answer."""
        command = b"".join(iter(lambda: stream.read(1), b"\0"))
        if command == b"zPING":
            stream.write(self.pong)
        elif command == b"zVERSION":
            stream.write(b"ClamAV 1.4.3/27000/Mon Jan  1 00:00:00 2024\0")
        elif command == b"zINSTREAM":
            data = b""
            while length := int.from_bytes(stream.read(4), "big"):
                data += stream.read(length)
                if len(data) > self.limit:
                    stream.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return
            self.received.append(data)
            name = self.found.get(data)
            stream.write(f"stream: {name} FOUND\0".encode() if name else b"stream: OK\0")


@pytest.fixture
def clamd(engines: ModuleType, tmp_path: Path) -> Iterator[Clamd]:
    """A daemon at `tmp_path`/clamd.ctl."""
    daemon = Clamd(tmp_path / "clamd.ctl")
    yield daemon
    daemon.server.shutdown(socket.SHUT_RDWR)
    daemon.server.close()


def test_clamav_asks_the_daemon(scan: Callable[..., Any], engines: ModuleType, clamd: Clamd, tmp_path: Path) -> None:
    """It says what the daemon says, and the daemon gets every byte."""
    options = {"socket": str(tmp_path / "clamd.ctl")}
    engine = engines.load("clamav", options)
    engine.self_test()
    assert engine.version() == "1.4.3/27000/Mon Jan  1 00:00:00 2024"
    found = scan("clamav", eicar(), **options)
    assert (found.infected, found.name) == (True, "Eicar-Test")
    large = bytes(range(251)) * 2000
    assert scan("clamav", large, **options).infected is False
    assert scan("clamav", b"", **options).infected is False
    assert clamd.received[-2:] == [large, b""]


def test_clamav_passes_on_the_daemons_errors(scan: Callable[..., Any], clamd: Clamd, tmp_path: Path) -> None:
    """One that comes while the sample is still being sent as well."""
    clamd.limit = 1000
    with pytest.raises(Exception, match=r"^clamd: INSTREAM size limit exceeded\.$"):
        scan("clamav", bytes(8 << 20), socket=str(tmp_path / "clamd.ctl"))


def test_clamav_without_a_daemon_says_where_it_looked(engines: ModuleType, tmp_path: Path) -> None:
    """The version is unknown, the self-test names the socket."""
    engine = engines.load("clamav", {"socket": str(tmp_path / "none.ctl")})
    assert engine.version() == "unknown"
    with pytest.raises(Exception, match=rf"^clamd has no signatures yet, or was stopped: there is no {tmp_path}/none.ctl$"):
        engine.self_test()


def test_clamav_does_not_trust_any_daemon(engines: ModuleType, clamd: Clamd, tmp_path: Path) -> None:
    """The self-test fails when the daemon is another, and when it takes a text for a threat."""
    engine = engines.load("clamav", {"socket": str(tmp_path / "clamd.ctl")})
    clamd.pong = b"220 smtp\0"
    with pytest.raises(Exception, match="answered PING with '220 smtp'"):
        engine.self_test()
    clamd.pong, clamd.found = b"PONG\0", {b"A text.\n": "Everything"}
    with pytest.raises(Exception, match="takes a plain text for Everything"):
        engine.self_test()


def test_every_engine_has_a_module_of_its_name(engines: ModuleType) -> None:
    """The name of the module, in the queue and in the class are one."""
    for path in (PROJECT / "engines").glob("[!_]*.py"):
        engine = engines.load(path.stem, {})
        assert engine.name == path.stem
        assert engine.kind in ("evilness", "metadata")
