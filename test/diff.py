"""Prints what a change does to hosts: test/.venv/bin/python test/diff.py [BASE]

A unified diff, from BASE (a revision, HEAD by default) to the work tree, of what is rendered for each role, system and
init: the files that file.managed writes, each state of the highstate (highstate/ID), and their order (highstate). What
differs alike in several cases is printed once, under their names. Passwords are marked ones, and no host is needed.
"""

import difflib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from rendering import CASES, Case, render

ROOT = Path(__file__).parents[1]
FOLDERS = ("pillar", "salt", "formulas", "roots")
WIDTH = 120
AUTOMATIC = 10000
"""The first of the numbers by which Salt keeps states in the order in which they are written."""

Documents = dict[str, str]


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def checkout(root: Path, revision: str, folder: Path) -> None:
    """Write what is rendered of a revision into a folder."""
    command = ["git", "-C", str(root), "archive", "--format=tar", revision, "--", *FOLDERS]
    archive = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def documents(root: Path, folder: Path, cases: Iterable[Case]) -> dict[Case, Documents]:
    """All that is rendered of a tree, as texts by their paths."""
    folder.mkdir()
    # Where the tree and its rendering lie is no part of what it says.
    places = re.compile("|".join(re.escape(str(place)) for place in (folder, root)))
    found = {}
    for case, rendered in render(root, folder, cases, files=True).items():
        texts = {path.lstrip("/"): text for path, text in rendered["files"].items()}
        texts |= states(rendered["highstate"]) | {"highstate": "".join(f"{state}\n" for state in rendered["order"])}
        found[case] = {path: places.sub("TREE", text) for path, text in texts.items()}
    return found


def states(highstate: dict[str, Any] | list[str]) -> Documents:
    """Each state as YAML, without the number that it has by its place; or the faults."""
    if isinstance(highstate, list):
        return {"faults": "".join(f"{fault}\n" for fault in highstate)}
    found = {}
    for identifier, state in highstate.items():
        shown = {module: arguments for module, arguments in state.items() if not module.startswith("__")}
        for module, arguments in shown.items():
            shown[module] = [argument for argument in arguments if not is_place(argument)]
        shown = {"sls": state["__sls__"]} | shown
        found[f"highstate/{identifier}"] = yaml.dump(shown, Dumper=_Dumper, width=WIDTH, sort_keys=False)
    return found


def is_place(argument: Any) -> bool:
    """The argument is the number that Salt has given to a state."""
    return isinstance(argument, dict) and isinstance(argument.get("order"), int) and argument["order"] >= AUTOMATIC


def hunks(path: str, before: Documents, after: Documents) -> list[str]:
    """The lines of a unified diff of one document below its two labels; none where nothing differs."""
    old, new = (side.get(path, "").splitlines(keepends=True) for side in (before, after))
    # Of the order of states their neighbours differ from case to case, and say nothing.
    lines = list(difflib.unified_diff(old, new, n=0 if path == "highstate" else 3))[2:]
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def differences(before: dict[Case, Documents], after: dict[Case, Documents]) -> Iterator[str]:
    """The diff, a piece for each document and all cases in which it changes alike."""
    for path in sorted({path for side in (before, after) for texts in side.values() for path in texts}):
        groups: dict[str, tuple[list[str], list[str]]] = {}
        for case, texts in after.items():
            if lines := hunks(path, before[case], texts):
                # Where it is in the document may differ.
                key = "".join("@@\n" if line.startswith("@@ ") else line for line in lines)
                groups.setdefault(key, ([], lines))[0].append(label(case))
        for names, lines in groups.values():
            whose = f"all {len(after)} cases" if len(names) == len(after) else " ".join(names)
            heading = textwrap.fill(whose, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)
            yield f"{heading}\n--- BASE/{names[0]}/{path}\n+++ {names[0]}/{path}\n{''.join(lines)}\n"


def label(case: Case) -> str:
    """A case, by its role first."""
    system, init, role = case
    return f"{role}-{system}-{init}"


def compare(root: Path, base: str, cases: Iterable[Case] = CASES) -> str:
    """What the work tree changes since a revision, in these cases."""
    cases = list(cases)
    with tempfile.TemporaryDirectory(prefix="diff-") as name:
        folder = Path(name)
        (folder / "base").mkdir()
        checkout(root, base, folder / "base")
        before = documents(folder / "base", folder / "before", cases)
        after = documents(root, folder / "after", cases)
    return "".join(differences(before, after))


if __name__ == "__main__":
    try:
        sys.stdout.write(compare(ROOT, sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
    except subprocess.CalledProcessError as error:
        sys.exit(f"diff: {error.cmd[0]} failed, see above")
