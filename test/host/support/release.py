"""The release before this one: which commit it is, and how a host that has it gets this one."""

import shlex
import subprocess
import tempfile
from pathlib import Path, PurePath

from support.archive import File, contents, packed, unpacked
from support.machine import CHECKOUT, Machine
from tree import ROOT, git

FIRST = "1.0"
"""The version of trees without a file VERSION."""


def version(revision: str = "") -> str:
    """The version of the work tree, or of a revision."""
    if not revision:
        path = ROOT / "VERSION"
        return path.read_text().strip() if path.exists() else FIRST
    found = subprocess.run(["git", "show", f"{revision}:VERSION"], cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else FIRST


def before() -> str:
    """The last commit of the main line that is of another version. What branches brought later may be older than
    that.
    """
    for revision in git(ROOT, "rev-list", "--first-parent", "HEAD").split():
        if version(revision) != version():
            return revision
    raise AssertionError(f"every commit is of version {version()}: is this clone shallow? --since names another commit")


def checkout(machine: Machine) -> dict[str, File]:
    """The files of the checkout on a host."""
    stream, _ = machine.container.get_archive(f"{CHECKOUT}/.")
    return {name.removeprefix("./"): file for name, file in unpacked(b"".join(stream)).items()}


def pull(machine: Machine, since: str) -> None:
    """Lay the work tree over that of a revision as `git pull` does; what an operator has edited is merged."""
    old, new, there = contents(since), contents(), checkout(machine)
    assert old.keys() <= there.keys()
    gone = old.keys() - new.keys()
    edited = {name for name in old if there[name].content != old[name].content}
    assert not gone & edited, f"this release has no longer what an operator has edited: {gone & edited}"
    changed = {name: file for name, file in new.items() if file != old.get(name)}
    for name in edited & changed.keys():
        merged = merge(there[name].content, old[name].content, new[name].content)
        changed[name] = File(merged, new[name].executable)
    machine.container.put_archive(CHECKOUT, packed(changed))
    if gone:
        folders = {str(PurePath(name).parent) for name in gone} - {"."}
        machine.run(f"cd {CHECKOUT} && rm {shlex.join(gone)} && rmdir -p {shlex.join(folders)}")
        assert not gone & checkout(machine).keys()


def merge(ours: bytes, base: bytes, theirs: bytes) -> bytes:
    """What git makes of a file that both sides have changed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base, theirs), strict=True):
            path.write_bytes(content)
        merged = subprocess.run(["git", "merge-file", "-p", "-q", *paths], capture_output=True)
    assert merged.returncode == 0, f"an operator's edit conflicts:\n{merged.stdout.decode()}"
    return merged.stdout
