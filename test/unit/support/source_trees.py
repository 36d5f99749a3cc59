"""A tree of code, and the state module that copies it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SOURCE = {"app/models.py": "first\n", "app/deep/er/views.py": "views\n", "run.sh": "#!/bin/sh\n", "empty": ""}
# As `listing` shows it: directories end with a slash.
COPIED = {
    "./": (0o755, ""),
    "app/": (0o755, ""),
    "app/deep/": (0o755, ""),
    "app/deep/er/": (0o755, ""),
    "app/deep/er/views.py": (0o644, "views\n"),
    "app/models.py": (0o644, "first\n"),
    "empty": (0o644, ""),
    "run.sh": (0o755, "#!/bin/sh\n"),
}


def write(top: Path, files: dict[str, str]) -> None:
    """Make files, and the directories they are in."""
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


def listing(top: Path) -> dict[str, Any]:
    """Mode and content of everything below a directory; a link by where it leads."""
    found = {}
    for path in sorted([top, *top.rglob("*")]) if os.path.lexists(top) else ():
        mode, name = path.lstat().st_mode, str(path.relative_to(top))
        if stat.S_ISDIR(mode):
            found[f"{name}/"] = (stat.S_IMODE(mode), "")
        else:
            content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "no file"
            found[name] = (stat.S_IMODE(mode), content)
    return found


class Tree:
    """A source in the second of two file_roots, and the state module; without root's rights we pass for root."""

    def __init__(self, load: Callable[..., Any], minion: Callable[..., Any], path: Path) -> None:
        self.source, self.top = path / "salt" / "code", path / "opt" / "code"
        write(self.source, SOURCE)
        for name in (self.source, *self.source.rglob("*")):
            name.chmod(0o700 if name.is_dir() else 0o660)  # whatever the modes of the checkout
        (path / "first").mkdir()
        self.opts = {"test": False}
        self.noted: list[str] = []
        made = minion(file_roots=[path / "first", path / "salt"])
        self.context = made.context
        self.module = load(
            "_states/source_tree",
            __opts__=self.opts,
            __salt__={"served.files": made.salt["served.files"]},
            __utils__={"freshness.note": self.noted.append},
        )
        if os.getuid():
            as_root = {"stat": self.shown(os.stat), "lstat": self.shown(os.lstat), "chown": self.chown}
            self.module.os = SimpleNamespace(**vars(os) | as_root)

    def shown(self, asked: Callable[[str], os.stat_result]) -> Callable[[str], os.stat_result]:
        """A status in which our files are root's."""

        def ask(path: str) -> os.stat_result:
            status = asked(path)
            owner = [
                0 if status.st_uid == os.getuid() else status.st_uid,
                0 if status.st_gid == os.getgid() else status.st_gid,
            ]
            return os.stat_result([*status[:4], *owner, *status[6:10]])

        return ask

    def chown(self, path: str, user: int, group: int) -> None:
        """Give a file to root, who we are."""
        assert (user, group) == (0, 0)
        os.chown(path, os.getuid(), os.getgid())

    def copied(self, *, test: bool = False, source: str = "salt://code", **options: Any) -> dict[str, Any]:
        """The state's result."""
        self.opts["test"] = test
        self.context.clear()  # another run
        return self.module.copied(str(self.top), source, executable=["run.sh"], **options)
