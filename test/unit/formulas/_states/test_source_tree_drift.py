"""A directory of code is as its source: what differs is made right, and nothing beside it is touched."""

import os
from pathlib import Path

import pytest

from source_trees import COPIED, Tree, listing, write


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
        (
            "a directory",
            {"app/models.py": "changed", "app/models.py/deep": "removed", "app/models.py/deep/more.py": "removed"},
        ),
        (
            "a link to a folder",
            dict.fromkeys([name.rstrip("/") for name in COPIED if name.startswith("app/")], "added")
            | {"app": "changed"},
        ),
        (
            "a file",
            dict.fromkeys([name.rstrip("/") for name in COPIED if name.startswith("app/")], "added")
            | {"app": "changed"},
        ),
    ],
)
def test_drift(copy: Tree, how: str, changes: dict[str, str]) -> None:
    """What was changed by hand is said in a preview, which leaves it, and made right in a run, which the next one
    finds.
    """
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
