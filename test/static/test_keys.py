"""What the READMEs say of pillar keys is what the schemas say."""

import importlib.util
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("keys", ROOT / "test" / "keys.py")
assert spec
assert spec.loader
keys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(keys)


@pytest.mark.parametrize("schema", keys.schemas(), ids=lambda path: path.parent.name)
def test_section_is_made(schema: Path) -> None:
    """The section Keys is as `python test/keys.py` writes it."""
    assert schema.with_name("README.rst").read_text() == keys.readme(schema)


@pytest.mark.parametrize("readme", sorted(ROOT.glob("*/*/README.rst")), ids=lambda path: path.parent.name)
def test_renders(readme: Path) -> None:
    """A README is reStructuredText without a doubt, and no wider than the others."""
    settings = {"report_level": 1, "halt_level": 1, "file_insertion_enabled": False}
    docutils.core.publish_string(
        readme.read_text(), source_path=str(readme), writer="html5", settings_overrides=settings
    )
    assert max(map(len, readme.read_text().splitlines())) <= 128
