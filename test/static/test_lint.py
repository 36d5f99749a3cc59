"""What can be said about the files without running them."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

from tree import ROOT, files, named, python, shell_scripts

TOOLS = Path(sys.executable).parent
SECRET = re.compile(r"(?i)-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")


def passes(*command: str | Path) -> None:
    """Run a tool over the tree; its report is the failure's text."""
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}"


def test_ruff_check() -> None:
    """Python is free of what ruff finds."""
    passes(TOOLS / "ruff", "check", "--no-cache", *python())


def test_ruff_format() -> None:
    """Python is formatted."""
    passes(TOOLS / "ruff", "format", "--check", "--no-cache", *python())


def test_types() -> None:
    """Types agree in every module, and in every script without a suffix, which mypy does not find by itself."""
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    assert set(checked) == {".", *(name for name in python() if not name.endswith(".py"))}
    passes(TOOLS / "mypy", "--cache-dir", ROOT / "test" / ".output" / "mypy")


def test_yamllint() -> None:
    """YAML that is no template is tidy."""
    passes(TOOLS / "yamllint", "--strict", *named(".yaml", ".yml", ".yamllint"))


def test_salt_lint() -> None:
    """States and pillar are free of what salt-lint finds."""
    passes(TOOLS / "salt-lint", *named(".sls"))


def test_shell() -> None:
    """Every shell script parses and is free of what shellcheck finds."""
    scripts = shell_scripts()
    assert {"bootstrap", "test/run", ".ci/run"} <= set(scripts)
    for name, shell in scripts.items():
        if not name.endswith(".jinja"):
            passes(shell, "-n", name)
    passes(
        TOOLS / "shellcheck",
        "--external-sources",
        "--severity=warning",
        *(name for name in scripts if not name.endswith(".jinja")),
    )


def test_bootstrap_is_posix() -> None:
    """A minimal Debian has no bash for us to rely on."""
    assert shell_scripts()["bootstrap"] == "sh"


def test_state_ids() -> None:
    """State IDs are <formula>-<thing>, hyphenated."""
    wrong = []
    for name in named(".sls"):
        parts = Path(name).parts
        if parts[0] not in ("formulas", "salt") or Path(name).name == "top.sls":
            continue
        prefix = parts[1] if parts[0] == "formulas" else r"[a-z]+"
        for line in (ROOT / name).read_text().splitlines():
            match = re.match(r"([^\s#{%-][^:]*):\s*$", line)
            if match and match[1] not in ("include", "exclude", "extend"):
                identifier = re.sub(r"\{\{.*?\}\}", "x", match[1])
                if not re.fullmatch(rf"{prefix}-[a-z0-9-]+", identifier):
                    wrong.append(f"{name}: {match[1]}")
    assert not wrong


def test_formulas_do_not_know_the_application() -> None:
    """A formula names nothing of Phagescan's."""
    known = []
    for name in files():
        if name.startswith("formulas/"):
            for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
                if re.search(r"(?i)phage|scaggr|avuser|citest", line):
                    known.append(f"{name}:{number}: {line.strip()}")
    assert not known


def test_formula_layout() -> None:
    """One formula is one folder: init includes only, a map below 40 lines, defaults, its keys in a schema and a
    README.
    """
    for folder in sorted(path for path in (ROOT / "formulas").glob("[!_]*") if path.is_dir()):
        for name in ("init.sls", "map.jinja", "defaults.yaml", "schema.json", "README.rst"):
            assert (folder / name).is_file(), f"{folder.name}/{name} is missing"
        lines = [line for line in (folder / "init.sls").read_text().splitlines() if line.strip()]
        assert all(re.match(r"#|include:|\s+- |\{%", line) for line in lines), (
            f"{folder.name}/init.sls does more than include"
        )
        assert len((folder / "map.jinja").read_text().splitlines()) < 40


def test_size() -> None:
    """Modules of Salt and of the application have at most 300 lines and functions of 40."""
    for name in named(".py"):
        if not name.startswith(("salt/", "formulas/", "roots/")):
            continue
        text = (ROOT / name).read_text()
        assert text.count("\n") <= 300, name
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 40, f"{name}: {node.name}"


def test_line_length() -> None:
    """Lines of SLS, Jinja, YAML, JSON and bootstrap have at most 120 characters, as those of Python."""
    for name in (*named(".sls", ".jinja", ".yaml", ".json"), "bootstrap"):
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            assert len(line) <= 120, f"{name}:{number}"


def test_commands_say_when() -> None:
    """cmd.run has onchanges, creates or unless, and never hides its failure."""
    for name in named(".sls"):
        text = (ROOT / name).read_text()
        assert "|| true" not in text, name
        for block in re.split(r"\n(?=\S)", text):
            if re.search(r"^\s+cmd\.(run|script)", block, re.MULTILINE):
                assert re.search(r"- (onchanges|creates|unless|onlyif)", block), f"{name}: {block.splitlines()[0]}"


def test_locks_agree() -> None:
    """A package has one version in all locks, and each is pinned by hash."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    locks = [name for name in files() if re.search(r"(requirements|salt)\.txt$", name)]
    assert len(locks) == 4
    for name in locks:
        text = (ROOT / name).read_text()
        pins = re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\\n]+)", text)
        assert pins
        assert text.count("==") <= text.count("--hash=sha256:") * 2
        for package, version in pins:
            versions[package.lower().replace("_", "-")][name] = version
    assert not {package: where for package, where in versions.items() if len(set(where.values())) > 1}


def test_nothing_that_belongs_elsewhere() -> None:
    """No private key, no credentials and no address of a package index is in the tree."""
    found = []
    for name in files():
        if name == "test/static/test_lint.py":
            continue
        text = (ROOT / name).read_text(errors="replace")
        if SECRET.search(text) or re.search(r"(?m)^\s*--?(extra-)?index-url|--find-links", text):
            found.append(name)
    assert not found
    assert "pillar/credentials.sls" not in files()
