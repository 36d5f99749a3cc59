"""Engine `fileinfo`: what kind of file a sample is. It judges nothing."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import elftools
import magic
import pefile
import pypdf
import yara
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, NullObject

from engines import HARMLESS, Engine, Finding
from engines.yara import compact

CHUNK = 1 << 20
HEAD = 1024
PLAIN = "text/plain"
TEXT = re.compile(r"(ASCII|Unicode text, UTF-8|ISO-8859|Non-ISO extended-ASCII) text(, with .*)?")
"""How libmagic describes a text that is nothing else. It is asked no second time then: it takes longest for texts."""

MANY = 20
"""Names that a list shows at most."""

ENTROPY = """
import "console"
import "math"
rule entropy { condition: console.log(math.entropy(0, filesize)) }
"""
"""Has libyara say a file's entropy, in bits a byte: it takes a tenth of the time that it takes to count in Python."""

VERSIONS = (
    f"libmagic {magic.version() / 100:.2f}, pefile {pefile.__version__}, pyelftools {elftools.__version__},"
    f" pypdf {pypdf.__version__}"
)


class Fileinfo(Engine):
    """Type, size, hashes and entropy of every file; what the headers of programs and PDF documents say."""

    name = "fileinfo"
    kind = "metadata"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Load what every scan uses."""
        super().__init__(options)
        self.magic = magic.Magic()
        # What libmagic knows no better than as a text, or not at all, it tries all its patterns on. It keeps them once
        # they are compiled, and what is kept here no fork has to compile.
        for content in (HARMLESS, bytes(range(255, 0, -1)) * 8):
            self.magic.from_buffer(content)
        self.rules = compact(yara.compile(source=ENTROPY))

    def version(self) -> str:
        """Return the versions of the libraries."""
        return VERSIONS

    def self_test(self) -> None:
        """Recognise this very file."""
        found = self.scan(Path(__file__)).metadata
        if not found["mime"].startswith("text/"):
            raise RuntimeError(f"libmagic takes a text for {found['mime']}")
        if found["size"] != str(Path(__file__).stat().st_size):
            raise RuntimeError("the size of a file is not what it is")

    def scan(self, path: Path) -> Finding:
        """Describe the sample; one that its own format's library cannot read is named malformed, with what is known."""
        head, size, hashes = read(path)
        kind = self.recognised(path, magic.MAGIC_NONE)
        metadata = {
            "type": kind,
            "mime": PLAIN if TEXT.fullmatch(kind) else self.recognised(path, magic.MAGIC_MIME_TYPE),
            "size": str(size),
            "entropy": f"{self.entropy(path):.2f}",
            **hashes,
        }
        for sign, place, describe in ((b"MZ", 1, pe), (b"\x7fELF", 1, elf), (b"%PDF-", HEAD, pdf)):
            if sign in head[: place + len(sign) - 1]:
                try:
                    for key, value in describe(path):
                        metadata[f"{describe.__name__}.{key}"] = value
                except MemoryError:
                    raise
                except Exception as error:  # noqa: BLE001  whatever those libraries raise, it is the file's fault
                    metadata["malformed"] = f"{describe.__name__}: {str(error) or type(error).__name__}"
        return Finding(infected=None, metadata=metadata)

    def entropy(self, path: Path) -> float:
        """Return the bits a byte: libyara says them, unless the file is longer than what it may have in memory."""
        said: list[str] = []
        try:
            self.rules.match(str(path), console_callback=said.append)
        except yara.Error:
            return counted(path)
        return float(said[0]) if said else 0.0

    def recognised(self, path: Path, flags: int) -> str:
        """Ask libmagic; the same database answers both questions."""
        magic.magic_setflags(self.magic.cookie, flags)
        return magic.maybe_decode(magic.magic_file(self.magic.cookie, str(path)))


def read(path: Path) -> tuple[bytes, int, dict[str, str]]:
    """Read the file once. Return how it begins, its size and its hashes."""
    hashes = [hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256")]
    head, size = b"", 0
    with path.open("rb", buffering=0) as sample:
        while chunk := sample.read(CHUNK):
            head = head or chunk[:HEAD]
            size += len(chunk)
            for digest in hashes:
                digest.update(chunk)
    return head, size, {digest.name: digest.hexdigest() for digest in hashes}


def counted(path: Path) -> float:
    """Return the bits a byte of a file of any length."""
    counts: Counter[int] = Counter()
    with path.open("rb") as sample:
        while chunk := sample.read(CHUNK):
            counts.update(chunk)
    size = counts.total()
    return abs(sum(count / size * math.log2(count / size) for count in counts.values()))


def several(names: list[str]) -> str:
    """Write a list that may be long."""
    return ", ".join(names[:MANY]) + (f" and {len(names) - MANY} more" if len(names) > MANY else "")


def pe(path: Path) -> Iterator[tuple[str, str]]:
    """Say what a Windows program is."""
    program = pefile.PE(str(path), fast_load=True)
    try:
        header, optional = program.FILE_HEADER, program.OPTIONAL_HEADER
        machine = pefile.MACHINE_TYPE.get(header.Machine, hex(header.Machine))
        yield "machine", machine.removeprefix("IMAGE_FILE_MACHINE_").lower()
        yield "kind", "dll" if program.is_dll() else "exe"
        yield "timestamp", datetime.fromtimestamp(header.TimeDateStamp, UTC).isoformat()
        yield "entry", hex(optional.AddressOfEntryPoint)
        yield "sections", several([section.Name.rstrip(b"\0").decode("latin-1") for section in program.sections])
        program.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]])
        imported = getattr(program, "DIRECTORY_ENTRY_IMPORT", [])
        yield "imports", str(sum(len(library.imports) for library in imported))
        if imphash := program.get_imphash():
            yield "imphash", imphash
    finally:
        program.close()


def elf(path: Path) -> Iterator[tuple[str, str]]:
    """Say what a program of Unix is."""
    with path.open("rb") as sample:
        program = ELFFile(sample)
        yield "machine", program.get_machine_arch()
        yield "bits", str(program.elfclass)
        yield "kind", str(program["e_type"]).removeprefix("ET_").lower()
        yield "entry", hex(program["e_entry"])
        yield "sections", str(program.num_sections())
        for segment in program.iter_segments():
            if isinstance(segment, InterpSegment):
                yield "interpreter", segment.get_interp_name()
        dynamic = program.get_section_by_name(".dynamic")
        if isinstance(dynamic, DynamicSection):
            tags: Iterator[Any] = dynamic.iter_tags("DT_NEEDED")  # each has an attribute of its own
            yield "libraries", several([tag.needed for tag in tags])


def pdf(path: Path) -> Iterator[tuple[str, str]]:
    """Say what a PDF document is."""
    with path.open("rb") as sample:
        document = PdfReader(sample)
        yield "version", document.pdf_header.removeprefix("%PDF-")
        yield "encrypted", "yes" if document.is_encrypted else "no"
        if document.is_encrypted and not document.decrypt(""):
            return
        root = document.root_object
        names, action = (followed(root, key) for key in ("/Names", "/OpenAction"))
        script = "/JavaScript" in names or action.get("/S") == "/JavaScript"
        yield "javascript", "yes" if script else "no"
        yield "pages", str(len(document.pages))


def followed(root: DictionaryObject, key: str) -> dict[str, Any]:
    """Return the dictionary that a key of a document's root leads to; nothing where there is none, or something
    else.
    """
    value = root.get(key, NullObject()).get_object()
    return value if isinstance(value, dict) else {}
