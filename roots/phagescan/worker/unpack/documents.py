"""Mail and documents that carry files."""

import base64
import re
from collections.abc import Iterator, Sequence
from email import message_from_binary_file, message_from_bytes
from email.message import Message
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pypdf
import tnefparse
from oletools.oleobj import find_ole_in_ppt
from oletools.rtfobj import RtfObjParser

from worker.unpack.errors import ReadError
from worker.unpack.frames import ENCRYPTED

Members = Iterator[tuple[str, list[bytes]]]

FROM = re.compile(rb"^From .*\n", re.MULTILINE)
"""What a mail begins with in a mailbox, RFC 4155."""

DATA = re.compile(rb"data:[\w/+.;= -]{0,200}?(;base64)?,([A-Za-z0-9+/=%_.~\s-]+)", re.IGNORECASE)
"""A data URI in a page, RFC 2397."""


def read_mail(path: Path, _: Sequence[str]) -> Members:
    """Read the parts of a mail: texts and attachments, in base64, quoted-printable and uuencode."""
    with path.open("rb") as file:
        yield from parts(message_from_binary_file(file))


def read_mailbox(path: Path, _: Sequence[str]) -> Members:
    """Read the parts of all mails of a mailbox. Python's own module opens it to write."""
    for mail in FROM.split(path.read_bytes()):
        yield from parts(message_from_bytes(mail))


def parts(message: Message) -> Members:
    """Return what a mail consists of."""
    for part in message.walk():
        data = None if part.is_multipart() else part.get_payload(decode=True)
        if isinstance(data, bytes) and data:
            yield part.get_filename() or part.get_content_type(), [data]


def read_page(path: Path, _: Sequence[str]) -> Members:
    """Read the data URIs of a page."""
    for number, match in enumerate(DATA.finditer(path.read_bytes()), 1):
        data = unquote_to_bytes(match[2])
        # What is missing of the padding does no harm, and more of it neither.
        yield f"data {number}", [base64.b64decode(data + b"==") if match[1] else data]


def read_rtf(path: Path, _: Sequence[str]) -> Members:
    """Read the objects of an RTF document."""
    parser = RtfObjParser(path.read_bytes())
    parser.parse()
    for number, found in enumerate(parser.objects, 1):
        data = found.olepkgdata if found.is_package else found.oledata if found.is_ole else found.rawdata
        if data:
            yield (found.filename if found.is_package else "") or f"object {number}", [data]


def read_slides(path: Path) -> Members:
    """Read the objects of a PowerPoint document of before 2007, which are OLE documents."""
    for number, found in enumerate(find_ole_in_ppt(str(path)), 1):
        found.fp.seek(0)
        yield f"object {number}", [found.fp.read()]


def read_pdf(path: Path, passwords: Sequence[str]) -> Members:
    """Read the files that are attached to a PDF."""
    reader = pypdf.PdfReader(path)
    if reader.is_encrypted and not any(reader.decrypt(password) for password in ("", *passwords)):
        raise ReadError("no password that was tried opens it", ENCRYPTED)
    for name, files in reader.attachments.items():
        for data in files:
            yield name, [data]


def read_tnef(path: Path, _: Sequence[str]) -> Members:
    """Read the attachments of what Outlook makes of a mail, winmail.dat."""
    for attachment in tnefparse.TNEF(path.read_bytes()).attachments:
        yield attachment.long_filename() or attachment.name, [attachment.data]
