"""Engine `yara`: our rules, and those that the operator puts into a directory.

`python -m engines.yara` tells which of the files of rules on its standard input do not compile.
"""

import hashlib
import io
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yara

from engines import EICAR, HARMLESS, Engine, Finding

SHIPPED = Path(__file__).parent / "rules"

ODDITY = "oddity"
"""Rules with this tag find something odd that harmless files have as well: they are named, and are no detection."""

EXTERNALS = dict.fromkeys(("filename", "filepath", "extension", "filetype", "owner"), "")
"""Variables that public rules often use. A sample's name and place are not known here."""

UNDEFINED = re.compile('undefined identifier "([A-Za-z0-9_]+)"')
RULE = re.compile(r"^[ \t]*(?:(?:private|global)\s+)*rule\s+([A-Za-z0-9_]+)", re.MULTILINE)


class Yara(Engine):
    """YARA rules; the first one that matches names the detection."""

    name = "yara"
    finds_eicar = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Compile the rules; files of the operator that do not compile are left out, and the warning says so."""
        super().__init__(options)
        shipped = {path.stem: [path] for path in sorted(SHIPPED.glob("*.yar"))}
        given = sorted(Path(options.get("rules") or SHIPPED / "none").glob("*.yar"))
        added, self.refused = fitted(given)
        self.rules = compact(compile_files(shipped | added))
        digest = hashlib.sha256()
        for namespace, path in [(path.stem, path) for path in (*SHIPPED.glob("*.yar"), *given)]:
            digest.update(f"{namespace}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        self.digest = digest.hexdigest()[:8]

    def version(self) -> str:
        """Return YARA's version, a digest of the rules, and what is left out of them."""
        left_out = f", {self.warning()}" if self.refused else ""
        return f"{yara.YARA_VERSION}, rules {self.digest}{left_out}"

    def warning(self) -> str:
        """Name the files that are left out."""
        return f"without {'; '.join(self.refused.values())}" if self.refused else ""

    def self_test(self) -> None:
        """Find the EICAR test file, and nothing in a text."""
        if finding(self.rules.match(data=EICAR)).name != "EICAR_Test_File":
            raise RuntimeError("the rules do not find the EICAR test file")
        if name := finding(self.rules.match(data=HARMLESS)).name:
            raise RuntimeError(f"the rule {name} accuses a plain text")

    def scan(self, path: Path) -> Finding:
        """Match the rules."""
        return finding(self.rules.match(str(path)))


def fitted(paths: list[Path]) -> tuple[dict[str, list[Path]], dict[str, str]]:
    """Return the files that compile, by namespace, each with those whose rules it refers to, and by name what is wrong
    with the others.

    Each file has a namespace of its own, so that two may have rules of the same name, and what one says of all rules
    (`global`) is no matter of another's.
    """
    spaces = {f"local/{path.stem}": [path] for path in paths}
    if not problem(spaces):
        return spaces, {}
    found, refused = {}, {}
    for namespace, (path,) in spaces.items():
        found[namespace], error = together(path, paths)
        if error:
            refused[path.name] = error
            del found[namespace]
    return found, refused


def together(path: Path, paths: list[Path]) -> tuple[list[Path], str]:
    """Return a file, after those that define what it refers to, and what is wrong with them."""
    files, error = [path], ""
    for _ in range(2 * len(paths)):
        error = problem({"local": files})
        unknown = UNDEFINED.search(error)
        rule = unknown[1] if unknown else None
        needed = next((other for other in paths if rule in RULE.findall(other.read_text(errors="replace"))), path)
        if needed == path:
            break
        files = [needed, *(other for other in files if other != needed)]
    return files, error


def compile_files(spaces: Mapping[str, list[Path]]) -> yara.Rules:
    """Compile files, each namespace a list of them."""
    sources = {name: "".join(f'include "{path}"\n' for path in files) for name, files in spaces.items()}
    return yara.compile(sources=sources, externals=EXTERNALS)


def compact(rules: yara.Rules) -> yara.Rules:
    """Return rules as they are in memory when they are loaded from a file: a compiler keeps 8 MiB for them, and what a
    process has in memory a fork of it pays for.
    """
    file = io.BytesIO()
    rules.save(file=file)
    file.seek(0)
    return yara.load(file=file)


def problem(spaces: Mapping[str, list[Path]]) -> str:
    """Return what is wrong with files of rules, in a line with the file's name and the number of its line."""
    try:
        compile_files(spaces)
    except yara.Error as error:
        return " ".join(re.sub(r"\S*/([^/\s]+\.yar)\b", r"\1", str(error)).split())
    return ""


def finding(matches: list[yara.Match]) -> Finding:
    """Make a finding of the rules that matched."""
    names = list(dict.fromkeys(match.rule for match in matches))
    tags = sorted({tag for match in matches for tag in match.tags})
    threats = [match.rule for match in matches if ODDITY not in match.tags]
    metadata = {"rules": ", ".join(names), "tags": ", ".join(tags)}
    return Finding(
        bool(threats), threats[0] if threats else "", {key: value for key, value in metadata.items() if value}
    )


def main() -> None:
    """Read files of rules, an object with texts by name, and write what is wrong with each that does not compile."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in json.load(sys.stdin).items():
            Path(folder, f"{name}.yar").write_text(text)
        print(json.dumps(fitted(sorted(Path(folder).glob("*.yar")))[1]))


if __name__ == "__main__":
    main()
