"""Opens files: what is inside is sent to the worker. child.py loads it as it loads an engine, and a fork does the work,
which a sample may take over: nothing that comes from here is believed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engines import Engine, Finding
from worker.unpack import archives, documents, kinds, programs
from worker.unpack.errors import ReadError
from worker.unpack.frames import BROKEN, LIMIT, NOTES, Sender

Reader = Callable[[Path, Sequence[str]], Iterator[tuple[str, Iterable[bytes]]]]
"""Takes a path and passwords, and yields members: a name, and the bytes in pieces. Of what it cannot read, or not to
the end, it raises a ReadError: from the pieces of a member, or in place of a further one.
"""


def read_slides(path: Path, passwords: Sequence[str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Read a PowerPoint document: the objects that are compressed in it, and what it consists of."""
    yield from documents.read_slides(path)
    yield from programs.read_with_7zip(path, passwords)


READERS: dict[str, tuple[Reader, ...]] = {
    kinds.ARCHIVE: (archives.read, programs.read_with_7zip),
    kinds.OTHER: (programs.read_with_7zip,),
    kinds.OLE: (programs.read_with_7zip,),
    kinds.SLIDES: (read_slides, programs.read_with_7zip),
    kinds.PROGRAM: (archives.read, programs.read_with_7zip),
    kinds.MAIL: (documents.read_mail,),
    kinds.MAILBOX: (documents.read_mailbox,),
    kinds.PAGE: (documents.read_page,),
    kinds.RTF: (documents.read_rtf,),
    kinds.PDF: (documents.read_pdf,),
    kinds.TNEF: (documents.read_tnef,),
}
"""By kind, in the order in which they are tried, until one finds something."""


class Opener(Engine):
    """Sends what is inside a file; it judges nothing."""

    name = "unpack"
    kind = "metadata"
    programs = True

    def version(self) -> str:
        """Return the version of what reads most."""
        return archives.version()

    def self_test(self) -> None:
        """Find 7-Zip."""
        if not programs.SEVEN_ZIP:
            raise RuntimeError("there is no 7-Zip")

    def scan(self, path: Path) -> Finding:
        """Find nothing."""
        return Finding(infected=None)

    def unpack(self, pipe: int, path: str, kind: str, passwords: Sequence[str], most: int, room: int) -> dict[str, Any]:
        """Send what is inside a file of this kind: at most so many members, and so many bytes of them together."""
        sender = Limited(pipe, most, room)
        try:
            open_with(READERS[kind], sender, Path(path), passwords, is_one=kind != kinds.PROGRAM)
        except LimitError as error:
            sender.unread("", LIMIT, str(error))
        return {"members": sender.members}


class LimitError(Exception):
    """More is inside than is looked into; the message says of what there is more."""


class Limited(Sender):
    """Sends no more than is taken."""

    def __init__(self, pipe: int, most: int, room: int) -> None:
        """Take the pipe, and how many members and bytes it may be."""
        super().__init__(pipe)
        self.members, self.most, self.room = 0, most, room
        self.notes = 0

    def unread(self, name: str, reason: str, said: str) -> None:
        """Say what could not be read; of very much the beginning is enough."""
        if self.notes < NOTES:
            self.notes += 1
            super().unread(name, reason, said)

    def begin(self, name: str) -> None:
        """Begin a member."""
        if self.members >= self.most:
            raise LimitError("more members than phagescan:unpack:members")
        self.members += 1
        super().begin(name)

    def data(self, pieces: Iterable[bytes]) -> None:
        """Send bytes, as long as there is room."""
        for piece in pieces:
            self.room -= len(piece)
            if self.room < 0:
                raise LimitError("more bytes than phagescan:unpack:size and ratio allow")
            super().data((piece,))


def open_with(readers: Iterable[Reader], sender: Limited, path: Path, passwords: Sequence[str], is_one: bool) -> None:
    """Send what the first reader finds that finds something, and what it cannot read by the next. Where none finds
    anything it is said what was wrong, if the file is one of those that have members.
    """
    failed: dict[str, ReadError] = {}
    end: ReadError | None = None
    for reader in readers:
        error = read_with(reader, sender, path, passwords, failed)
        end = error if sender.members else end or error
        if sender.members and not failed:
            break
    for name, error in failed.items():
        sender.unread(name, error.reason, str(error))
    if end and not failed and (is_one or sender.members):
        sender.unread("", end.reason, str(end))


def read_with(
    reader: Reader, sender: Limited, path: Path, passwords: Sequence[str], failed: dict[str, ReadError]
) -> ReadError | None:
    """Send what a reader finds; where some members have failed, those alone. Note which fail now, and return what ended
    it before the end.
    """
    wanted = frozenset(failed)
    try:
        for name, pieces in reader(path, passwords):
            if not wanted or name in wanted:
                failed.pop(name, None)
                send_member(sender, name, pieces, failed)
    except LimitError:
        raise
    except ReadError as error:
        return error
    except Exception as error:  # noqa: BLE001  whatever a library raises for a broken file
        return ReadError(f"{type(error).__name__}: {error}", BROKEN)
    return None


def send_member(sender: Limited, name: str, pieces: Iterable[bytes], failed: dict[str, ReadError]) -> None:
    """Send a member, as much as there is of it. Where that is nothing it has failed."""
    begun = False
    try:
        for piece in pieces:
            if not begun:
                sender.begin(name)
                begun = True
            sender.data((piece,))
    except ReadError as error:
        if not begun:
            failed[name] = error
            return
        sender.unread(name, error.reason, str(error))
    if not begun:
        sender.begin(name)
    sender.end()
