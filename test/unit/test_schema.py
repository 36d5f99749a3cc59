"""Our reading of JSON Schema is that of the library jsonschema, on everything that our schemas use."""

import importlib.util
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from salt.utils import dictupdate

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "phagescan" if path.parent.name == "application" else path.parent.name: path
    for path in sorted(ROOT.glob("*/*/schema.json"))
}
# What salt/_utils/schema.py knows, and what only tells.
CHECKED = {
    *("$ref", "type", "properties", "additionalProperties", "propertyNames", "required", "enum", "pattern", "minimum"),
    *("maximum", "items", "minItems", "maxItems"),
}
TELLING = {"$schema", "$defs", "title", "description", "writeOnly"}


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """Ours."""
    spec = importlib.util.spec_from_file_location("unit_schema", ROOT / "salt" / "_utils" / "schema.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name: str) -> dict[str, Any]:
    """The schema of a namespace."""
    return json.loads(SCHEMAS[name].read_text())


def every(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """It, and all within."""
    yield schema
    below = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    below += [schema[key] for key in ("additionalProperties", "propertyNames", "items") if isinstance(schema.get(key), dict)]
    for item in below:
        yield from every(item)


def test_each_namespace_has_one() -> None:
    """A formula without a schema would take anything."""
    formulas = {path.parent.name for path in ROOT.glob("formulas/*/init.sls")}
    assert set(SCHEMAS) == {*formulas, "phagescan"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_metaschema(name: str) -> None:
    """It is JSON Schema, of the parts that ours knows."""
    jsonschema.Draft202012Validator.check_schema(read(name))
    for part in every(read(name)):
        assert part.keys() <= CHECKED | TELLING


@pytest.mark.parametrize("name", SCHEMAS)
def test_says_what_is_right(name: str) -> None:
    """A pattern means the whole text, and has words; a key says what it is, and what keys it knows."""
    schema = read(name)
    described = schema["properties"].values()
    assert all("description" in keys for keys in described)
    for part in every(schema):
        if "pattern" in part:
            assert part["pattern"].startswith("^")
            assert part["pattern"].endswith("$")
            assert part.get("title")
        if part.get("type") == "object" and "properties" in part:
            assert "additionalProperties" in part


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "phagescan"])
def test_examples(schema: ModuleType, name: str) -> None:
    """The README's example and the defaults are as the schema says."""
    folder = SCHEMAS[name].parent
    text = re.search(r"code-block:: yaml\n\n((?:   .*\n|\n)+)", (folder / "README.rst").read_text())[1]
    for pillar in (yaml.safe_load(textwrap.dedent(text))[name], yaml.safe_load((folder / "defaults.yaml").read_text())):
        assert schema.faults(pillar, read(name)) == []
        jsonschema.validate(pillar, read(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped(schema: ModuleType, name: str) -> None:
    """So is the shipped pillar, with the sample's passwords."""
    pillar = dictupdate.update(
        yaml.safe_load((ROOT / "pillar" / f"{name}.sls").read_text()),
        yaml.safe_load((ROOT / "pillar" / "credentials.sls.sample").read_text()),
    )
    assert schema.faults(pillar[name], read(name)) == []
    jsonschema.validate(pillar[name], read(name))


# Whole numbers with a point are a matter of taste, and Python's $ lets a line break pass.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.floats(0, 9, allow_nan=False).filter(lambda number: number != int(number))
    | st.text(max_size=6).filter(lambda text: not text.endswith("\n"))
    | st.sampled_from(["/srv/x", "127.0.0.1:80", "production", "master", "a.b", "10m", "-x", "", "/", "GET", "name@host"])
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
def test_agrees(schema: ModuleType, data: st.DataObject) -> None:
    """Both find a pillar good or both do not, whatever stands, is missing or is added in it; and in the same places."""
    name = data.draw(st.sampled_from(sorted(SCHEMAS)))
    defaults = SCHEMAS[name].with_name("defaults.yaml")
    whole = {name: yaml.safe_load(defaults.read_text()) if defaults.exists() else {}}
    whole[name] |= yaml.safe_load((ROOT / "pillar" / f"{name}.sls").read_text())[name]
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


def test_names_that_yaml_makes(schema: ModuleType) -> None:
    """A name that is no text is a fault, but for a number where no type is asked."""
    text = {"type": "object", "propertyNames": {"type": "string"}}
    loose = {"type": "object", "propertyNames": {"pattern": "^4[0-9]+$", "title": "a code"}}
    for name, called in ((404, "a whole number"), (None, "nothing"), (True, "true or false"), (4.5, "a number")):
        assert schema.faults({name: 1}, text) == [((name,), f"is {called}, not text; put it in quotes")]
    assert schema.faults({404: 1}, loose) == []
    assert schema.faults({504: 1}, loose) == [((504,), "is not a code")]
    assert schema.faults({True: 1}, loose) == [((True,), "is true or false, not text; put it in quotes")]


def test_a_secret_is_not_told(schema: ModuleType) -> None:
    """Neither as a value, nor as the name that YAML makes of it."""
    secret = {"type": "string", "writeOnly": True, "enum": ["x"], "title": "a password"}
    holder = {"type": "object", "properties": {"password": secret}, "additionalProperties": False}
    assert schema.faults({"password": "hunter2"}, holder) == [(("password",), "must be a password")]
    ((path, reason),) = schema.faults({"password:hunter2": None}, holder)
    assert "hunter2" not in f"{path}{reason}"


def test_one_line(schema: ModuleType) -> None:
    """Whatever stands in a pillar, its fault is one line, and not a long one."""
    value = {"a\nb": 1, "x": "y\n" * 999}
    for path, reason in schema.faults(
        value, {"type": "object", "properties": {"x": {"enum": ["z"]}}, "additionalProperties": False}
    ):
        assert f"{schema.key(path)}: {reason}".isprintable()
        assert len(reason) < 400
