"""What the documents tell people to do, read from them."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[3]
OPERATE = ROOT / "docs" / "operate.rst"
SCALE = ROOT / "docs" / "scale.rst"
CONTRIBUTING = ROOT / "CONTRIBUTING.rst"
# A heading and its underline.
SECTION = re.compile(r"^(\S.*)\n(=+|-+)\n\n", re.MULTILINE)
# A paragraph that ends with two colons, and the block below it.
LITERAL = re.compile(r"::\n\n((?: {4}.*\n|\n)+)")
# A file by its path, and its text.
FILE = re.compile(r"``([\w./]+)``:\n\n\.\. code-block:: \w+\n\n((?: {3}.*\n|\n)+)")


def sections(path: Path) -> dict[str, str]:
    """Text of each section by its heading."""
    parts = SECTION.split(path.read_text())
    return dict(zip(parts[1::3], parts[3::3], strict=True))


def commands(path: Path) -> dict[str, str]:
    """The shell commands of each section that has some."""
    found = {title: LITERAL.findall(text) for title, text in sections(path).items()}
    return {title: "".join(map(textwrap.dedent, blocks)) for title, blocks in found.items() if blocks}


def files(text: str) -> dict[str, str]:
    """Files that a section has people write."""
    return {path: textwrap.dedent(content).rstrip() + "\n" for path, content in FILE.findall(text)}
