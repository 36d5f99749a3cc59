"""The tree under test: what git has and what it does not ignore; and that of a revision."""

import functools
import hashlib
import io
import subprocess
import tarfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
# No host is another for these.
ASIDE = ("test/", "bench/", ".ci/")


class File(NamedTuple):
    """What git knows of a file."""

    content: bytes
    executable: bool


def git(*arguments: str) -> bytes:
    """What git prints, asked in the tree."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def listed() -> list[str]:
    """Names of all files."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard", "-z").decode().split("\0")
    return sorted(name for name in set(names) if name and (ROOT / name).is_file())


def contents(revision: str = "") -> dict[str, File]:
    """All files of the work tree, or of a revision, by name."""
    if revision:
        return unpacked(git("archive", "--format=tar", revision))
    paths = {name: ROOT / name for name in listed()}
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
            entry.size, entry.mode, entry.mtime = len(file.content), 0o755 if file.executable else 0o644, int(time.time())
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


@functools.cache
def digest() -> str:
    """Twelve hexadecimal digits, others for each tree that may converge a host to something else."""
    every = hashlib.sha256()
    for name in listed():
        if not name.startswith(ASIDE):
            path = ROOT / name
            every.update(f"{name} {path.stat().st_mode & 0o111:o} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return every.hexdigest()[:12]
