"""Whether something may be inside a file, told from a few bytes at fixed places and some words: nothing is parsed here,
as this is done where the worker itself runs. What is inside is another process's to find.
"""

import mmap
from pathlib import Path

HEAD = 1 << 16
"""Bytes of the begin of a file in which a text says what it is."""

ARCHIVE, OTHER, PROGRAM, OLE, SLIDES = "archive", "other", "program", "ole", "slides"
MAIL, MAILBOX, PAGE, RTF, PDF, TNEF = "mail", "mailbox", "page", "rtf", "pdf", "tnef"
"""Kinds of files with something inside: each is read by readers of its own."""

BEGINNINGS = (
    *((magic, ARCHIVE) for magic in (b"PK\x03\x04", b"PK\x05\x06", b"PK00PK", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")),
    *((magic, ARCHIVE) for magic in (b"\x1f\x8b", b"\x1f\x9d", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"LZIP")),
    *((magic, ARCHIVE) for magic in (b"\x04\x22\x4d\x18", b"MSCF", b"xar!", b"!<arch>\n", b"\xed\xab\xee\xdb")),
    *((magic, ARCHIVE) for magic in (b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7")),
    *((magic, OTHER) for magic in (b"\x60\xea", b"ITSF", b"SZDD", b"KWAJ")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", SLIDES),
    (b"MZ", PROGRAM),
    (b"{\\rt", RTF),
    (b"\x78\x9f\x3e\x22", TNEF),
)
"""How files begin."""

PLACES = ((2, b"-lh", ARCHIVE), (2, b"-lz", ARCHIVE), (257, b"ustar", ARCHIVE), (0x8001, b"CD001", ARCHIVE))
"""What stands where in files that begin with anything."""

MARKS = {
    PROGRAM: (b"NullsoftInst", b"7z\xbc\xaf\x27\x1c", b"PK\x03\x04", b"Rar!\x1a\x07", b"MSCF\0\0\0\0"),
    PDF: (b"/EmbeddedFile", b"/ObjStm"),
    PAGE: (b"data:", b"DATA:"),
    SLIDES: ("PowerPoint Document".encode("utf-16-le"),),
}
"""What is somewhere in files of a kind where something is inside them: programs that bring files along,
PDFs with attachments or with objects that could be some, pages with data.
"""

WITHOUT = {SLIDES: OLE}
"""What it is without these; else nothing is inside."""

WORDS = (
    (b"%pdf-", PDF),
    (b"mime-version:", MAIL),
    (b"content-transfer-encoding:", MAIL),
    (b"content-type:", MAIL),
    (b"\nbegin 6", MAIL),
    (b"\nbegin 7", MAIL),
    (b"<html", PAGE),
    (b"<!doctype html", PAGE),
    (b"<svg", PAGE),
    (b"<script", PAGE),
    (b";base64,", PAGE),
)
"""What texts have somewhere in their beginning, in lower case."""


def kind_of(path: Path) -> str:
    """Return the kind of a file in which something may be; "" where there is nothing. OSError where it cannot be
    read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        kind = kind_of_head(head)
        if marks := MARKS.get(kind):
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                marked = any(whole.find(mark) >= 0 for mark in marks)
            return kind if marked else WITHOUT.get(kind, "")
    return kind


def kind_of_head(head: bytes) -> str:
    """Return the kind of a file by its beginning."""
    for magic, kind in BEGINNINGS:
        if head.startswith(magic):
            return kind
    for place, magic, kind in PLACES:
        if head[place : place + len(magic)] == magic:
            return kind
    lower = head.lower()
    if head.startswith(b"From ") and any(word in lower for word in (b"\nreceived:", b"\nsubject:")):
        return MAILBOX
    return next((kind for word, kind in WORDS if word in lower), "")
