"""The schema of each namespace: of the parts that ours knows, and what is shipped is right by it."""

import importlib.util
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from salt.utils import dictupdate

ROOT = Path(__file__).parents[3]
SCHEMAS = {
    "phagescan" if path.parent.name == "application" else path.parent.name: path
    for path in sorted(ROOT.glob("*/*/schema.json"))
}
# What salt/_utils/schema.py knows, and what only tells.
CHECKED = {
    *("$ref", "type", "properties", "additionalProperties", "propertyNames", "required", "enum", "pattern", "minimum"),
    *("maximum", "items", "minItems", "maxItems"),
}
# Of defaults.yaml, and not to be set: see settings.defaults, and the formula that has it.
FACTS = ("osfinger", "ports")
TELLING = {"$schema", "$defs", "namespace", "title", "description", "writeOnly"}


@pytest.fixture(scope="module")
def schema() -> Any:
    """Ours."""
    spec = importlib.util.spec_from_file_location("unit_schema", ROOT / "salt" / "_utils" / "checks" / "schema.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name: str) -> dict[str, Any]:
    """The schema of a namespace."""
    return json.loads(SCHEMAS[name].read_text())


def every(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """It, and all within."""
    yield schema
    below = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    below += [
        schema[key] for key in ("additionalProperties", "propertyNames", "items") if isinstance(schema.get(key), dict)
    ]
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
def test_examples(schema: Any, name: str) -> None:
    """The README's example and the defaults are as the schema says."""
    folder = SCHEMAS[name].parent
    example = re.search(r"code-block:: yaml\n\n((?:   .*\n|\n)+)", (folder / "README.rst").read_text())
    assert example
    for pillar in (
        yaml.safe_load(textwrap.dedent(example[1]))[name],
        yaml.safe_load((folder / "defaults.yaml").read_text()),
    ):
        for fact in FACTS:
            pillar.pop(fact, None)
        assert schema.faults(pillar, read(name)) == []
        jsonschema.validate(pillar, read(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_shipped(schema: Any, name: str) -> None:
    """So is the shipped pillar, with the sample's passwords, but for what is inherited."""
    pillar = dictupdate.update(
        yaml.safe_load((ROOT / "pillar" / f"{name}.sls").read_text()),
        yaml.safe_load((ROOT / "pillar" / "credentials.sls.sample").read_text()),
    )
    faults = schema.faults(pillar[name], read(name))
    assert [reason for _, reason in faults if not reason.startswith("is missing")] == []
    for error in jsonschema.Draft202012Validator(read(name)).iter_errors(pillar[name]):
        assert error.validator == "required"
