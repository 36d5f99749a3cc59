"""Files whose kind is known, made of few bytes."""

import importlib
import struct
from io import BytesIO

from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, PdfObject, TextStringObject


def eicar() -> bytes:
    """The test file, which is nowhere in one piece."""
    return importlib.import_module("engines.yara").EICAR


def tiny_pe(section: bytes = b".text") -> bytes:
    """A Windows program without code: a header of 64-bit and two sections."""
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 14, 0, 0, 0, 0, 0x1000, 0x1000, 0x140000000, 0x1000, 0x200)
    optional += struct.pack(
        "<HHHHHHIIIIHHQQQQII", 6, 0, 0, 0, 6, 0, 0, 0x3000, 0x200, 0, 3, 0, 0, 0, 0, 0, 0, 16
    ) + bytes(128)
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
        names: dict[NameObject, PdfObject] = {NameObject(key): NameObject(value) for key, value in action.items()}
        names[NameObject("/JS")] = TextStringObject(script)
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(names)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()
