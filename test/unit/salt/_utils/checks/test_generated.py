"""Generated mistakes of a pillar: each is refused, with its key."""

import json
import string
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pillars import REMOVED, ROOT, put


def nodes(value: Any, schema: dict[str, Any], defs: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key of a pillar, and what its schema says of it."""
    schema = defs[schema["$ref"].removeprefix("#/$defs/")] | schema if "$ref" in schema else schema
    yield key, schema
    others = schema.get("additionalProperties")
    for name, item in value.items() if isinstance(value, dict) else ():
        below = schema.get("properties", {}).get(name, others if isinstance(others, dict) else None)
        if below is not None:
            yield from nodes(item, below, defs, f"{key}:{name}")


@pytest.fixture(scope="module")
def known(good: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Schemas of all keys of the pillar, as far as a colon does not stand in a name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROOT.glob("*/*/schema.json")):
        schema = json.loads(path.read_text())
        name = "phagescan" if path.parent.name == "application" else path.parent.name
        found |= dict(nodes(good[name], schema, schema.get("$defs", {}), name))
    return found


# What a schema requires, and inheritance provides.
INHERITED = {
    *("phagescan:worker", "phagescan:worker:master_url"),
    *(f"nginx:sites:phagescan:{name}" for name in ("proxy", "static", "uploads:client_max_body_size")),
    *(f"supervisord:programs:celerycam:{name}" for name in ("user", "directory", "environment")),
}
VALUES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != int(number)),
    "string": st.text(max_size=20),
    "array": st.lists(st.text(max_size=5), max_size=3),
    "object": st.dictionaries(st.text(string.ascii_letters, min_size=3, max_size=9), st.integers(), max_size=2),
}
GENERATED = settings(
    derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=list(HealthCheck)
)


@GENERATED
@given(data=st.data())
def test_wrong_kind(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever key holds a value of another kind than its schema says, it is reported, with both kinds."""
    key = data.draw(st.sampled_from([key for key in known if "type" in known[key]]))
    kinds = known[key]["type"]
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    kinds |= {"integer"} if "number" in kinds else set()
    kind = data.draw(st.sampled_from(sorted(VALUES.keys() - kinds)))
    value = data.draw(VALUES[kind])
    reported = doctor(put(good, key, value))
    assert [line for line in reported if line.startswith(f"{key}: must be ") and ", not " in line]


@GENERATED
@given(data=st.data())
def test_unknown_key(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever key has a name that there is not, it is reported."""
    closed = [key for key in known if known[key].get("additionalProperties") is False]
    key = data.draw(st.sampled_from(closed))
    name = data.draw(st.text(string.ascii_lowercase + "_", min_size=1, max_size=12))
    if name not in known[key]["properties"]:
        reported = doctor(put(good, f"{key}:{name}", data.draw(st.integers())))
        assert [line for line in reported if line.startswith(f"{key}:{name}: is not a key; ")]


@GENERATED
@given(data=st.data())
def test_missing_key(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is needed and missing is reported."""
    needed = {f"{key}:{name}" for key in known for name in known[key].get("required", ())} - INHERITED
    key = data.draw(st.sampled_from(sorted(needed)))
    assert [line for line in doctor(put(good, key, REMOVED)) if line.startswith(f"{key}: is missing; it must be ")]


@GENERATED
@given(data=st.data())
def test_out_of_range(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """A number that is too small or too large is reported, with the range."""
    key = data.draw(st.sampled_from([key for key in known if "minimum" in known[key]]))
    schema = known[key]
    small = st.integers(max_value=schema["minimum"] - 1)
    value = data.draw(small | st.integers(min_value=schema["maximum"] + 1) if "maximum" in schema else small)
    assert [
        line
        for line in doctor(put(good, key, value))
        if line.startswith(f"{key}: must be ") and line.endswith(f"{value}")
    ]


@GENERATED
@given(data=st.data())
def test_text_of_another_form(doctor: Any, good: dict[str, Any], known: dict[str, Any], data: st.DataObject) -> None:
    """Text with a line break, a NUL or a colon and a quote is no name, path or address."""
    key = data.draw(st.sampled_from([key for key in known if "pattern" in known[key] or "enum" in known[key]]))
    value = data.draw(st.text(max_size=9)) + data.draw(st.sampled_from(["\n", "\0", "\r", "\x7f'\n"]))
    assert [line for line in doctor(put(good, key, value)) if line.startswith(f"{key}: must be ")]
