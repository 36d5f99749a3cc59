"""Which version this tree is, and which one the host was last converged with."""

import contextlib
import os
import pathlib

RECORD = "/etc/phagescan/version"
SETTINGS = ("/etc/phagescan/master.toml", "/etc/phagescan/worker.toml")


def known(checkout: str) -> dict[str, str]:
    """`tree`: the version of this tree; `revision`: its commit, where there is one to see; `host`: what was
    recorded.
    """
    host = recorded()
    if not host:
        converged = any(map(os.path.exists, SETTINGS))
        host = "1.0 or older: no run that succeeded has recorded a version" if converged else "not converged yet"
    found = {
        "tree": tree(checkout) or "unknown: there is no file VERSION",
        "revision": revision(checkout),
        "host": host,
    }
    return {name: value for name, value in found.items() if value}


def tree(checkout: str) -> str:
    """Version of a tree, by its file VERSION; empty without."""
    return _text(pathlib.Path(checkout, "VERSION"))


def recorded(path: str = RECORD) -> str:
    """Version that this host was last converged with; empty where none was recorded."""
    return _text(pathlib.Path(path))


def record(version: str, path: str = RECORD) -> None:
    """Note the version that this host is converged with; whoever reads meanwhile finds the one before."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(f"{version}\n")
    new.chmod(0o644)
    new.replace(path)


def revision(checkout: str) -> str:
    """The commit that is checked out, read without git, which a host need not have; empty for what is no clone."""
    git = pathlib.Path(checkout, ".git")
    with contextlib.suppress(OSError):
        if git.is_file():  # a work tree beside its clone
            git = pathlib.Path(checkout, git.read_text().partition("gitdir:")[2].strip())
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        name = head.partition(":")[2].strip()
        common = git / (_text(git / "commondir") or ".")
        return _text(common / name) or _packed(common / "packed-refs", name)
    return ""


def _packed(path: pathlib.Path, name: str) -> str:
    """The commit of a reference that git has packed with others."""
    lines = (line.split() for line in path.read_text().splitlines())
    return next((words[0] for words in lines if words[1:] == [name]), "")


def _text(path: pathlib.Path) -> str:
    """The one line of a file; empty without."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
