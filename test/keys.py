"""Writes the section Keys of each README that has a schema beside it: test/.venv/bin/python test/keys.py"""

import importlib.util
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WIDTH = 120
HEADING = "\nKeys\n----\n"
INTRODUCTION = """
Of pillar ``{namespace}``; ``*`` is any name. Made from ``schema.json`` by ``test/keys.py``.
"""


def schemas() -> list[Path]:
    """All there are."""
    return sorted(ROOT.glob("*/*/schema.json"))


def section(path: Path) -> str:
    """Keys as a table."""
    schema, defaults = json.loads(path.read_text()), path.with_name("defaults.yaml")
    known = yaml.safe_load(defaults.read_text()) if defaults.exists() else {}
    table = [("key", "value", "default", "what it is"), *rows(schema, schema.get("$defs", {}), known, "")]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    widths[1] = min(widths[1], 36)
    widths[3] = WIDTH - sum(widths[:3]) - 6
    rule = "  ".join("=" * width for width in widths)
    head, *body = ["\n".join(lines(row, widths)) for row in table]
    namespace = re.findall(r"(\w+)\.$", schema["description"])[0]
    return "\n".join([HEADING + INTRODUCTION.format(namespace=namespace), rule, head, rule, *body, rule, ""])


def rows(schema: dict[str, Any], defs: dict[str, Any], known: Any, path: str) -> Iterator[tuple[str, ...]]:
    """A row for each key that is described, and for what lies below."""
    below = {**schema.get("properties", {})}
    if isinstance(schema.get("additionalProperties"), dict):
        below["*"] = schema["additionalProperties"]
    for name, keys in {name: resolved(keys, defs) for name, keys in below.items()}.items():
        given = isinstance(known, dict) and name in known
        default = yaml.safe_dump(known[name], default_flow_style=True).removesuffix("\n...\n").strip() if given else ""
        needed = " (needed)" if name in schema.get("required", ()) else ""
        if "description" in keys or (name == "*" and "title" in keys):
            shown = f"``{default}``" if default and len(default) < 24 else ""
            yield f"``{path}{name}``", rst(words(keys, defs)), shown, rst(keys.get("description", "") + needed)
        yield from rows(keys, defs, known[name] if given else None, f"{path}{name}:")


def words(keys: dict[str, Any], defs: dict[str, Any]) -> str:
    """What the value must be."""
    items = resolved(keys.get("items", {}), defs)
    return f"a list of: {RIGHT(items)}" if items and "title" not in keys else RIGHT(keys)


def resolved(keys: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """A schema, with what its $ref means."""
    return defs[keys["$ref"].removeprefix("#/$defs/")] | keys if "$ref" in keys else keys


def rst(text: str) -> str:
    """Text that means in reStructuredText what it says."""
    parts = re.split(r"(`[a-z]+`)", text)
    return "".join(
        f"`{part}`" if number % 2 else re.sub(r"([\\`*|])", r"\\\1", part) for number, part in enumerate(parts)
    )


def lines(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    """A row of the table, as many lines as its longest cell needs."""
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(row, widths, strict=True)
    ]
    for number in range(max(map(len, cells))):
        parts = [
            (cell[number] if number < len(cell) else "").ljust(width) for cell, width in zip(cells, widths, strict=True)
        ]
        yield "  ".join(parts).rstrip()


def readme(path: Path) -> str:
    """What the README beside a schema must be."""
    there = path.with_name("README.rst")
    return there.read_text().partition(HEADING)[0] + section(path)


_spec = importlib.util.spec_from_file_location("schema", ROOT / "salt" / "_utils" / "checks" / "schema.py")
assert _spec
assert _spec.loader
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
RIGHT = _module.right

if __name__ == "__main__":
    for schema_path in schemas():
        schema_path.with_name("README.rst").write_text(readme(schema_path))
