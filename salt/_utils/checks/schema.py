"""Checks a value against a JSON Schema (draft 2020-12, the part of it that our schemas use) and finds every fault."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

Path = tuple[Any, ...]
Fault = tuple[Path, str]

KINDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def faults(value: Any, schema: dict[str, Any], path: Path = ()) -> list[Fault]:
    """Where `value` is not as `schema` says, and what would be right; no value of a `writeOnly` key is shown."""
    found: list[Fault] = []
    _check(value, schema, path, found, schema.get("$defs", {}))
    return found


def key(path: Path) -> str:
    """A path as pillar.get takes it."""
    return ":".join(shown(part) for part in path)


def shown(value: Any) -> str:
    """A value on one line."""
    text = str(value)
    return text if text.isprintable() and 0 < len(text) < 80 else ascii(text[:80])


def suggestion(name: object, names: Iterable[str]) -> str:
    """A hint to the one of `names` that is most like this name, if any is."""
    close = difflib.get_close_matches(str(name), list(names), 1, 0.7)
    return f"; did you mean {close[0]}?" if close else ""


def right(schema: dict[str, Any]) -> str:
    """What a value must be, in words."""
    if "title" in schema:
        return schema["title"]
    if "enum" in schema:
        return _either(schema["enum"])
    kinds = schema.get("type", [])
    words = _either(KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if "minimum" in schema:
        words += f" from {schema['minimum']} " + (f"to {schema['maximum']}" if "maximum" in schema else "up")
    return words


def _either(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _resolved(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """The schema, with what its $ref means put in its place, once for all names that it is of."""
    if "$ref" in schema:
        schema.update(defs[schema.pop("$ref").removeprefix("#/$defs/")] | schema)
    return schema


def _kind(value: Any) -> str:
    """What a value of a type of Salt's own is, such as its OrderedDict."""
    return next((kind for known, kind in TYPES.items() if isinstance(value, known)), "")


def _check(value: Any, schema: dict[str, Any], path: Path, found: list[Fault], defs: dict[str, Any]) -> None:
    schema = _resolved(schema, defs)
    kind = TYPES.get(type(value)) or _kind(value)
    kinds = schema.get("type")
    if kinds and kind != kinds:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kind not in kinds and (kind != "integer" or "number" not in kinds):
            wanted = _either(KINDS[name] for name in kinds)
            quotes = "; put it in quotes" if wanted == "text" and kind in ("integer", "number", "boolean") else ""
            found.append((path, f"must be {wanted}, not {KINDS.get(kind, type(value).__name__)}{quotes}"))
            return
    if (
        ("enum" in schema and value not in schema["enum"])
        # Not re.search, whose $ lets a line break pass: our patterns mean the whole text.
        or (kind == "string" and "pattern" in schema and not re.fullmatch(schema["pattern"], value))
        or (kind in ("integer", "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value))
    ):
        given = "" if "writeOnly" in schema or kind in ("object", "array") else f", not {shown(value)}"
        found.append((path, f"must be {right(schema)}{given}"))
    elif kind == "object":
        _check_mapping(value, schema, path, found, defs)
    elif kind == "array":
        _check_list(value, schema, path, found, defs)


def _check_mapping(
    value: dict[Any, Any], schema: dict[str, Any], path: Path, found: list[Fault], defs: dict[str, Any]
) -> None:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    names = _resolved(schema.get("propertyNames", {"type": "string"}), defs)
    for name, item in value.items():
        below = (*path, name)
        if name in properties:
            _check(item, properties[name], below, found, defs)
        elif wrong := _name(name, names):
            found.append((below, wrong))
        elif isinstance(others, dict):
            _check(item, others, below, found, defs)
        elif others is False and item is None and any("writeOnly" in known for known in properties.values()):
            # Of `{password:secret}`, without a blank, YAML makes a name.
            found.append(((*path, "?"), "is a name without a value, not shown here; put a blank after each colon"))
        elif others is False:
            found.append((below, "is not a key" + (suggestion(name, properties) or f"; keys: {', '.join(properties)}")))
    for name in schema.get("required", ()):
        if name not in value:
            found.append(((*path, name), f"is missing; it must be {right(_resolved(properties[name], defs))}"))


def _name(name: Any, schema: dict[str, Any]) -> str:
    """What is wrong with a name: not text (a number is, where no type is asked), or not as it must be."""
    if type(name) is int and "type" not in schema:
        name = str(name)
    if not isinstance(name, str):
        return f"is {KINDS[TYPES.get(type(name), 'object')]}, not text; put it in quotes"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], name):
        return f"is not {schema['title']}"
    return ""


def _check_list(value: list[Any], schema: dict[str, Any], path: Path, found: list[Fault], defs: dict[str, Any]) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        found.append((path, f"must be {right(schema)}, not a list of {len(value)}"))
        return
    for number, item in enumerate(value if "items" in schema else ()):
        _check(item, schema["items"], (*path, number), found, defs)
