"""A directory of code is as its source: what differs is made right, and nothing beside it is touched."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

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

    def __init__(self, load: Callable[..., ModuleType], path: Path) -> None:
        self.source, self.top = path / "salt" / "code", path / "opt" / "code"
        write(self.source, SOURCE)
        for name in (self.source, *self.source.rglob("*")):
            name.chmod(0o700 if name.is_dir() else 0o660)  # whatever the modes of the checkout
        (path / "first").mkdir()
        self.opts = {"test": False, "file_roots": {"base": [str(path / "first"), str(path / "salt")]}}
        self.module = load("_states/source_tree", __env__="base", __opts__=self.opts)
        if os.getuid():
            as_root = {"stat": self.shown(os.stat), "lstat": self.shown(os.lstat), "chown": self.chown}
            self.module.os = SimpleNamespace(**vars(os) | as_root)

    def shown(self, asked: Callable[[str], os.stat_result]) -> Callable[[str], os.stat_result]:
        """A status in which our files are root's."""

        def ask(path: str) -> os.stat_result:
            status = asked(path)
            owner = [0 if status.st_uid == os.getuid() else status.st_uid, 0 if status.st_gid == os.getgid() else status.st_gid]
            return os.stat_result([*status[:4], *owner, *status[6:10]])

        return ask

    def chown(self, path: str, user: int, group: int) -> None:
        """Give a file to root, who we are."""
        assert (user, group) == (0, 0)
        os.chown(path, os.getuid(), os.getgid())

    def copied(self, *, test: bool = False, source: str = "salt://code", **options: Any) -> dict[str, Any]:
        """The state's result."""
        self.opts["test"] = test
        return self.module.copied(str(self.top), source, executable=["run.sh"], **options)


@pytest.fixture
def tree(load: Callable[..., ModuleType], tmp_path: Path) -> Tree:
    """A source that was not copied yet."""
    return Tree(load, tmp_path)


@pytest.fixture
def copy(tree: Tree) -> Tree:
    """A source that was copied."""
    assert tree.copied()["result"] is True
    return tree


def test_from_nothing(tree: Tree) -> None:
    """All is made, the directory and those above it, too; the second run has nothing to do."""
    before = os.umask(0o077)
    try:
        result = tree.copied()
    finally:
        os.umask(before)
    assert (result["result"], result["changes"]) == (
        True,
        dict.fromkeys(
            ["", "app", "app/deep", "app/deep/er", "app/deep/er/views.py", "app/models.py", "empty", "run.sh"], "added"
        ),
    )
    assert listing(tree.top) == COPIED
    touched = [path.lstat().st_ctime_ns for path in tree.top.rglob("*")]
    for test in (False, True):
        again = tree.copied(test=test)
        assert (again["result"], again["changes"], again["comment"]) == (True, {}, f"{tree.top} is as salt://code.")
    assert [path.lstat().st_ctime_ns for path in tree.top.rglob("*")] == touched


def outside(top: Path) -> Path:
    """A directory beside the copy, whose files are of the same names."""
    folder = top.parent / "outside"
    if not folder.exists():
        write(folder, {"models.py": "first\n", "deep/er/views.py": "theirs\n", "theirs": "theirs\n"})
        (folder / "models.py").chmod(0o600)
    return folder


def spoil(top: Path, how: str) -> None:
    """Do one thing to the copy that should not stay."""
    models, app = top / "app" / "models.py", top / "app"
    match how:
        case "edited":
            models.write_text("f1rst\n")
        case "cut":
            models.write_text("")
        case "removed" | "a fifo" | "a link to a file" | "a broken link" | "a directory" | "a hard link":
            models.unlink()
        case "folder removed" | "a link to a folder" | "a file":
            app.rename(top.parent / "away")
        case "added":
            write(top, {"more.py": "", "app/old/deep/more.py": "", "app/old/__pycache__/more.pyc": ""})
        case "an added link":
            (top / "link").symlink_to(outside(top))
            (top / "broken").symlink_to("nowhere")
        case "mode of a file":
            models.chmod(0o600)
        case "a set-user-ID bit":
            models.chmod(0o4644)
        case "an executable":
            (top / "run.sh").chmod(0o644)
        case "mode of a folder":
            app.chmod(0o777)
        case "mode of the top":
            top.chmod(0o700)
    match how:
        case "a fifo":
            os.mkfifo(models, 0o644)
        case "a link to a file":
            models.symlink_to(outside(top) / "models.py")
        case "a hard link":
            outside(top).joinpath("models.py").write_text("other\n")
            os.link(outside(top) / "models.py", models)
        case "a broken link":
            models.symlink_to("nowhere")
        case "a directory":
            write(models, {"deep/more.py": ""})
        case "a link to a folder":
            app.symlink_to(outside(top))
        case "a file":
            app.write_text("")


@pytest.mark.parametrize(
    ("how", "changes"),
    [
        ("edited", {"app/models.py": "changed"}),
        ("cut", {"app/models.py": "changed"}),
        ("removed", {"app/models.py": "added"}),
        ("folder removed", dict.fromkeys([name.rstrip("/") for name in COPIED if name.startswith("app")], "added")),
        (
            "added",
            dict.fromkeys(["more.py", "app/old/deep/more.py", "app/old/deep", "app/old"], "removed"),
        ),
        ("an added link", {"link": "removed", "broken": "removed"}),
        ("mode of a file", {"app/models.py": "made root's"}),
        ("a set-user-ID bit", {"app/models.py": "made root's"}),
        ("an executable", {"run.sh": "made root's"}),
        ("mode of a folder", {"app": "made root's"}),
        ("mode of the top", {"": "made root's"}),
        ("a fifo", {"app/models.py": "changed"}),
        ("a link to a file", {"app/models.py": "changed"}),
        ("a hard link", {"app/models.py": "changed"}),
        ("a broken link", {"app/models.py": "changed"}),
        ("a directory", {"app/models.py": "changed", "app/models.py/deep": "removed", "app/models.py/deep/more.py": "removed"}),
        (
            "a link to a folder",
            dict.fromkeys([name.rstrip("/") for name in COPIED if name.startswith("app/")], "added") | {"app": "changed"},
        ),
        (
            "a file",
            dict.fromkeys([name.rstrip("/") for name in COPIED if name.startswith("app/")], "added") | {"app": "changed"},
        ),
    ],
)
def test_drift(copy: Tree, how: str, changes: dict[str, str]) -> None:
    """What was changed by hand is said in a preview, which leaves it, and made right in a run, which the next one finds."""
    spoil(copy.top, how)
    spoiled, beside = listing(copy.top), listing(outside(copy.top))
    preview = copy.copied(test=True)
    assert (preview["result"], preview["changes"]) == (None, changes)
    assert listing(copy.top) == spoiled
    result = copy.copied()
    assert (result["result"], result["changes"]) == (True, changes)
    assert listing(copy.top) == COPIED
    assert listing(outside(copy.top)) == beside
    assert copy.copied()["changes"] == {}


def test_link_like_its_source(copy: Tree) -> None:
    """A link that leads to the very content, and is itself of that size, is not what was wanted."""
    write(copy.source, {"one": "12345", "other": "12345"})
    assert copy.copied()["result"]
    (copy.top / "one").unlink()
    (copy.top / "one").symlink_to("other")
    assert copy.copied()["changes"] == {"one": "changed"}
    assert listing(copy.top)["one"] == (0o644, "12345")


def test_new_source(copy: Tree) -> None:
    """What was changed, added and removed in the source is so in the copy, a file that became a directory as well."""
    write(copy.source, {"app/models.py": "other\n", "app/new/more.py": "more\n"})
    (copy.source / "app" / "deep" / "er" / "views.py").unlink()
    (copy.source / "app" / "deep" / "er").rmdir()
    (copy.source / "empty").unlink()
    write(copy.source, {"empty/now.py": "now\n"})
    assert copy.copied()["changes"] == {
        "app/models.py": "changed",
        "app/new": "added",
        "app/new/more.py": "added",
        "app/deep/er/views.py": "removed",
        "app/deep/er": "removed",
        "empty": "changed",
        "empty/now.py": "added",
    }
    assert [name for name in listing(copy.top) if not name.endswith("/")] == [
        "app/models.py",
        "app/new/more.py",
        "empty/now.py",
        "run.sh",
    ]
    assert copy.copied()["changes"] == {}


def test_preview_of_nothing(tree: Tree) -> None:
    """Where there is no copy yet a preview names what comes, and makes nothing."""
    result = tree.copied(test=True)
    assert (result["result"], len(result["changes"])) == (None, len(COPIED))
    assert not tree.top.parent.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a file away")
@pytest.mark.parametrize("owner", [(65534, 65534), (65534, 0), (0, 65534)])
@pytest.mark.parametrize("name", ["", "app", "run.sh"])
def test_owner(copy: Tree, name: str, owner: tuple[int, int]) -> None:
    """What is not root's, or not root's group's, is made so."""
    path = copy.top / name
    os.chown(path, *owner)
    assert copy.copied(test=True)["changes"] == {name: "made root's"}
    assert (path.stat().st_uid, path.stat().st_gid) == owner
    assert copy.copied()["changes"] == {name: "made root's"}
    assert (path.stat().st_uid, path.stat().st_gid) == (0, 0)
    assert listing(copy.top) == COPIED


def test_keep(copy: Tree) -> None:
    """What is to be kept is left as it is, and is missed nowhere."""
    write(copy.top, {".profile": "theirs\n", "more.py": ""})
    (copy.top / ".profile").chmod(0o600)
    assert copy.copied(keep=[".profile", "missing"])["changes"] == {"more.py": "removed"}
    assert listing(copy.top) == COPIED | {".profile": (0o600, "theirs\n")}
    assert copy.copied(keep=[".profile"])["changes"] == {}
    assert copy.copied()["changes"] == {".profile": "removed"}


def test_what_python_makes(copy: Tree) -> None:
    """Compiled files are neither copied nor removed, at no depth."""
    write(copy.source, {"__pycache__/a.pyc": "source", "app/deep/__pycache__/b.pyc": "source"})
    write(copy.top, {"app/__pycache__/c.pyc": "copy"})
    before = listing(copy.top)
    assert copy.copied()["changes"] == {}
    assert listing(copy.top) == before


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("source", ["salt://none", "salt://code/empty"])
def test_no_source(copy: Tree, source: str, test: bool) -> None:
    """A source that is not there, or is no directory, is a failure, and leaves what is there."""
    result = copy.copied(test=test, source=source)
    assert (result["result"], result["changes"]) == (False, {})
    assert result["comment"] == f"{source} is in none of the file_roots, or empty"
    assert listing(copy.top) == COPIED


def test_linked(copy: Tree, tmp_path: Path) -> None:
    """Source and directory may be links to where they are; a link in the source is what it leads to, or nothing."""
    source, top = tmp_path / "release", tmp_path / "disk"
    write(source, {"run.sh": "#!/bin/bash\n", "kept/x.py": "x = 1\n"})
    (source / "linked").symlink_to("kept")
    (source / ".#lock").symlink_to("somebody@somewhere.1")
    write(top, {"foreign": "?"})
    (tmp_path / "first").mkdir(exist_ok=True)
    (tmp_path / "first" / "code").symlink_to(source)
    shutil.rmtree(copy.top)
    copy.top.symlink_to(top)
    assert copy.copied()["result"]
    assert copy.top.is_symlink()
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*")) == [
        "kept",
        "kept/x.py",
        "linked",
        "linked/x.py",
        "run.sh",
    ]
    assert copy.copied()["changes"] == {}


def test_removal_shows(copy: Tree) -> None:
    """That a file is gone shows in the time of the directory, wherever in it the file was."""
    (copy.top / "app" / "gone.py").touch()
    os.utime(copy.top, (1, 1))
    assert copy.copied()["changes"] == {"app/gone.py": "removed"}
    assert copy.top.stat().st_mtime > 1


def test_first_of_the_roots(copy: Tree, tmp_path: Path) -> None:
    """Of two sources of one name the first root's counts, as for all that Salt copies."""
    write(tmp_path / "first" / "code", {"run.sh": "#!/bin/bash\n"})
    assert copy.copied()["changes"]["run.sh"] == "changed"
    assert listing(copy.top) == {"./": (0o755, ""), "run.sh": (0o755, "#!/bin/bash\n")}


def test_a_reader_sees_the_old_or_the_new(copy: Tree) -> None:
    """A file is complete before it takes the place of the old one, which a reader goes on reading."""
    write(copy.source, {"app/models.py": "other\n"})
    replaced = []

    def replace(new: str, path: str) -> None:
        replaced.append((Path(new).parent, Path(new).read_text(), Path(path).read_text()))
        os.replace(new, path)

    copy.module.os = SimpleNamespace(**vars(copy.module.os) | {"replace": replace})
    with (copy.top / "app" / "models.py").open() as reader:
        assert copy.copied()["result"]
        assert reader.read() == "first\n"
    assert replaced == [(copy.top / "app", "other\n", "first\n")]
    assert listing(copy.top)["app/models.py"] == (0o644, "other\n")


def test_after_a_kill(copy: Tree) -> None:
    """What an interrupted run has left is removed by the next, and the rest is done."""
    write(copy.source, {"app/models.py": "other\n", "run.sh": "#!/bin/bash\n"})

    def replace(*_paths: str) -> None:
        raise KeyboardInterrupt

    copy.module.os, real = SimpleNamespace(**vars(copy.module.os) | {"replace": replace}), copy.module.os
    with pytest.raises(KeyboardInterrupt):
        copy.copied()
    copy.module.os = real
    assert sorted(copy.copied()["changes"].values()) == ["changed", "changed", "removed"]
    assert listing(copy.top) == COPIED | {"app/models.py": (0o644, "other\n"), "run.sh": (0o755, "#!/bin/bash\n")}
