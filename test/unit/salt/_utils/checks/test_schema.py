"""Our reading of JSON Schema is that of the library jsonschema, on everything that our schemas use."""

import copy
import functools
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[5]
SCHEMAS = {
    "phagescan" if path.parent.name == "application" else path.parent.name: path
    for path in sorted(ROOT.glob("*/*/schema.json"))
}


@pytest.fixture(scope="module")
def schema() -> Any:
    """Ours."""
    spec = importlib.util.spec_from_file_location("unit_schema", ROOT / "salt" / "_utils" / "checks" / "schema.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def read(name: str) -> dict[str, Any]:
    """The schema of a namespace."""
    return json.loads(SCHEMAS[name].read_text())


@functools.cache
def shipped(name: str) -> dict[str, Any]:
    """What is shipped for a namespace: its defaults, and pillar on top."""
    defaults = SCHEMAS[name].with_name("defaults.yaml")
    known = yaml.safe_load(defaults.read_text()) if defaults.exists() else {}
    return known | yaml.safe_load((ROOT / "pillar" / f"{name}.sls").read_text())[name]


# Whole numbers with a point are a matter of taste, and Python's $ lets a line break pass.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.floats(0, 9, allow_nan=False).filter(lambda number: number != int(number))
    | st.text(max_size=6).filter(lambda text: not text.endswith("\n"))
    | st.sampled_from(
        ["/srv/x", "127.0.0.1:80", "production", "master", "a.b", "10m", "-x", "", "/", "GET", "name@host"]
    )
)
NAMES = st.sampled_from(["404", "A", "a b", "x", "/x/", "user", "password", "-p", "UMask", "é", ""])
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value at which another could stand."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(item)


@settings(derandomize=True, database=None, deadline=None, max_examples=600, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_agrees(schema: Any, data: st.DataObject) -> None:
    """Both find a pillar good or both do not, whatever is there, missing or added in it; and in the same places."""
    name = data.draw(st.sampled_from(sorted(SCHEMAS)))
    whole = {name: copy.deepcopy(shipped(name))}
    for _ in range(data.draw(st.integers(1, 3))):
        numbers = [(where, key) for where, key in places(whole) if isinstance(where[key], int)]
        where, key = data.draw(st.sampled_from(list(places(whole))) | st.sampled_from(numbers or [(whole, name)]))
        if isinstance(where[key], dict) and data.draw(st.booleans()):
            where[key][data.draw(NAMES)] = data.draw(ANYTHING)
        elif where is not whole and data.draw(st.booleans()):
            del where[key]
        else:
            where[key] = data.draw(ANYTHING | st.integers(-5, 70000))
    value = whole[name]
    ours = [path for path, _reason in schema.faults(value, read(name))]
    theirs = [tuple(error.absolute_path) for error in jsonschema.Draft202012Validator(read(name)).iter_errors(value)]
    assert bool(ours) == bool(theirs)
    for some, others in ((ours, theirs), (theirs, ours)):
        for path in some:  # one may tell of the mapping or list that holds it
            assert any(path[: len(other)] == other[: len(path)] for other in others)


def test_names_that_yaml_makes(schema: Any) -> None:
    """A name that is no text is a fault, but for a number where no type is asked."""
    text = {"type": "object", "propertyNames": {"type": "string"}}
    loose = {"type": "object", "propertyNames": {"pattern": "^4[0-9]+$", "title": "a code"}}
    for name, called in ((404, "a whole number"), (None, "nothing"), (True, "true or false"), (4.5, "a number")):
        assert schema.faults({name: 1}, text) == [((name,), f"is {called}, not text; put it in quotes")]
    assert schema.faults({404: 1}, loose) == []
    assert schema.faults({504: 1}, loose) == [((504,), "is not a code")]
    assert schema.faults({True: 1}, loose) == [((True,), "is true or false, not text; put it in quotes")]


def test_a_secret_is_not_told(schema: Any) -> None:
    """Neither as a value, nor as the name that YAML makes of it."""
    secret = {"type": "string", "writeOnly": True, "enum": ["x"], "title": "a password"}
    holder = {"type": "object", "properties": {"password": secret}, "additionalProperties": False}
    assert schema.faults({"password": "hunter2"}, holder) == [(("password",), "must be a password")]
    ((path, reason),) = schema.faults({"password:hunter2": None}, holder)
    assert "hunter2" not in f"{path}{reason}"


def test_one_line(schema: Any) -> None:
    """Whatever is in a pillar, its fault is one line, and not a long one."""
    value = {"a\nb": 1, "x": "y\n" * 999}
    for path, reason in schema.faults(
        value, {"type": "object", "properties": {"x": {"enum": ["z"]}}, "additionalProperties": False}
    ):
        assert f"{schema.key(path)}: {reason}".isprintable()
        assert len(reason) < 400
