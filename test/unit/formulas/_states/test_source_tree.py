"""A directory of code is as its source: what is copied, kept and replaced, and how."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from source_trees import COPIED, Tree, listing, write


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
        "app/deep": "removed",
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
    for folder in (copy.top, copy.source):
        shutil.rmtree(folder)
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
    """That a file is gone is recorded for the services that watch the directory, wherever in it the file was."""
    assert copy.noted == []
    (copy.top / "app" / "gone.py").touch()
    assert copy.copied(test=True)["changes"] == copy.copied()["changes"] == {"app/gone.py": "removed"}
    assert copy.noted == [str(copy.top)]


def test_first_of_the_roots(copy: Tree, tmp_path: Path) -> None:
    """Of two files of one name the first root's counts, as for all that Salt serves."""
    write(tmp_path / "first" / "code", {"run.sh": "#!/bin/bash\n"})
    assert copy.copied()["changes"] == {"run.sh": "changed"}
    assert listing(copy.top) == COPIED | {"run.sh": (0o755, "#!/bin/bash\n")}


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
