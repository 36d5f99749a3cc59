"""What 7-Zip reads, and libarchive does not. It writes to a pipe alone."""

import ctypes
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from worker.unpack.errors import ReadError
from worker.unpack.frames import BROKEN, ENCRYPTED, UNSUPPORTED

SEVEN_ZIP = next((path for path in ("/usr/bin/7zz", "/usr/bin/7z") if Path(path).exists()), "")
NOT_TYPES = ("-stxPE", "-stxELF", "-stxMachO", "-stxCOFF")
"""What a program consists of is no member of it."""

PIECE = 1 << 16

FIELD = re.compile(r"^(\w[\w ]*) = (.*)$", re.MULTILINE)
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def read_with_7zip(path: Path, passwords: Sequence[str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Read what 7-Zip understands."""
    password, entries = listed(path, passwords)
    for name, size, encrypted in entries:
        # Without a name there is one member alone.
        which = ["--", str(path), *([name] if name else [])]
        tried = dict.fromkeys([password, *passwords]) if encrypted else [password]
        opened = next((word for word in tried if not encrypted or opens(word, which)), None)
        if opened is None:
            yield name, failing(ReadError("no password that was tried opens it", ENCRYPTED))
        else:
            yield name, said(size, SEVEN_ZIP, "x", "-so", "-spd", *NOT_TYPES, f"-p{opened}", *which)


def listed(path: Path, passwords: Sequence[str]) -> tuple[str, list[tuple[str, str, bool]]]:
    """Return the password that it takes to see the names of the members; and these, each with the size, "" where 7-Zip
    does not know it, and whether it is encrypted.
    """
    for password in ["", *passwords]:
        # -bse1: errors are among what it says.
        run = program(SEVEN_ZIP, "l", "-slt", "-ba", "-bse1", "-sccUTF-8", *NOT_TYPES, f"-p{password}", "--", str(path))
        output = run.communicate()[0]
        if run.returncode == 0 or not (b"password" in output or b"encrypted" in output):
            break
    else:
        raise ReadError("no password that was tried opens it", ENCRYPTED)
    blocks = [dict(FIELD.findall(block)) for block in output.decode(errors="replace").split("\n\n")]
    files = [block for block in blocks if block and not is_folder(block)]
    if not files:
        raise ReadError("7-Zip does not know its kind", UNSUPPORTED)
    return password, [(block.get("Path", ""), block.get("Size", ""), block.get("Encrypted") == "+") for block in files]


def is_folder(block: dict[str, str]) -> bool:
    """Tell whether what 7-Zip says of a member is said of a folder."""
    return block.get("Folder") == "+" or block.get("Attributes", "").startswith("D")


def opens(password: str, which: Sequence[str]) -> bool:
    """Tell whether a password is that of a member."""
    run = program(SEVEN_ZIP, "t", "-spd", *NOT_TYPES, f"-p{password}", *which)
    run.communicate()
    return run.returncode == 0


def said(size: str, *command: str) -> Iterator[bytes]:
    """Return the bytes that 7-Zip writes, in pieces. ReadError where it fails, or finds nothing by a name that has
    some: it shows names as they can be printed.
    """
    run = program(*command)
    stdout = cast("IO[bytes]", run.stdout)
    found = False
    while piece := stdout.read(PIECE):
        found = True
        yield piece
    if run.wait():
        raise ReadError("7-Zip finds it broken", BROKEN)
    if not found and size not in ("", "0"):
        raise ReadError("7-Zip does not find it by its name", BROKEN)


def failing(error: ReadError) -> Iterator[bytes]:
    """Fail in place of the first piece."""
    yield from ()
    raise error


def program(*command: str) -> subprocess.Popen[bytes]:
    """Start a program, which is killed when this process ends. Its input and its errors are this one's: nothing."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={"LANG": "C.UTF-8"},
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),  # noqa: PLW1509  there are no threads
    )
