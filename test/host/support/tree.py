"""The tree under test: what git has and what it does not ignore."""

import functools
import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
# No host is another for these.
ASIDE = ("test/", "bench/", ".ci/")


def listed() -> list[str]:
    """Names of all files."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    return sorted(name for name in set(files.stdout.decode().split("\0")) if name and (ROOT / name).is_file())


@functools.cache
def digest() -> str:
    """Twelve hexadecimal digits, others for each tree that may converge a host to something else."""
    every = hashlib.sha256()
    for name in listed():
        if not name.startswith(ASIDE):
            path = ROOT / name
            every.update(f"{name} {path.stat().st_mode & 0o111:o} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return every.hexdigest()[:12]
