"""Files as a tar has them: those of the work tree, of a revision, of a host."""

import io
import subprocess
import tarfile
import time
from typing import NamedTuple

from tree import ROOT, files


class File(NamedTuple):
    """What git knows of a file."""

    content: bytes
    executable: bool


def contents(revision: str = "") -> dict[str, File]:
    """All files of the work tree, or of a revision, by name."""
    if revision:
        made = subprocess.run(["git", "archive", "--format=tar", revision], cwd=ROOT, capture_output=True, check=True)
        return unpacked(made.stdout)
    paths = {name: ROOT / name for name in files()}
    return {name: File(path.read_bytes(), bool(path.stat().st_mode & 0o100)) for name, path in paths.items()}


def unpacked(archive: bytes) -> dict[str, File]:
    """The files of a tar, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = [(entry, content) for entry in tar if (content := tar.extractfile(entry))]
        return {entry.name: File(content.read(), bool(entry.mode & 0o100)) for entry, content in found}


def packed(wanted: dict[str, File]) -> bytes:
    """A tar of files as git writes them now, for root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, file in wanted.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = (
                len(file.content),
                0o755 if file.executable else 0o644,
                int(time.time()),
            )
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
