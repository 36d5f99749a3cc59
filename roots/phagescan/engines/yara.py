"""Engine `yara`: our rules, and those that the operator puts into a directory."""

import hashlib
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


class Yara(Engine):
    """YARA rules; the first one that matches names the detection."""

    name = "yara"
    finds_eicar = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Compile the rules; files of the operator that do not compile are left out, and the version says so."""
        super().__init__(options)
        shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.yar"))}
        added = {
            f"local/{path.stem}": path for path in sorted(Path(options.get("rules") or SHIPPED / "none").glob("*.yar"))
        }
        self.refused: dict[str, str] = {}
        try:
            self.rules = compile_files(shipped | added)
        except yara.Error:
            self.refused = {path.name: error for path in added.values() if (error := problem(path))}
            added = {namespace: path for namespace, path in added.items() if path.name not in self.refused}
            self.rules = compile_files(shipped | added)
        digest = hashlib.sha256()
        for namespace, path in (shipped | added).items():
            digest.update(f"{namespace}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        self.digest = digest.hexdigest()[:8]

    def version(self) -> str:
        """Return YARA's version, a digest of the rules, and what is left out of them."""
        left_out = "".join(f", without {error}" for error in self.refused.values())
        return f"{yara.YARA_VERSION}, rules {self.digest}{left_out}"

    def self_test(self) -> None:
        """Find the EICAR test file, and nothing in a text."""
        if finding(self.rules.match(data=EICAR)).name != "EICAR_Test_File":
            raise RuntimeError("the rules do not find the EICAR test file")
        if name := finding(self.rules.match(data=HARMLESS)).name:
            raise RuntimeError(f"the rule {name} accuses a plain text")

    def scan(self, path: Path) -> Finding:
        """Match the rules."""
        return finding(self.rules.match(str(path)))


def compile_files(files: Mapping[str, Path]) -> yara.Rules:
    """Compile files, each with a namespace of its own, so that two may have rules of the same name."""
    return yara.compile(filepaths={namespace: str(path) for namespace, path in files.items()}, externals=EXTERNALS)


def problem(path: Path) -> str:
    """Return what is wrong with a file of rules; nothing when it compiles."""
    try:
        compile_files({"local": path})
    except yara.Error as error:
        return str(error).replace(str(path), path.name)
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
