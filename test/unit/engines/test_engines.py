"""All engines."""

from pathlib import Path
from typing import Any

from samples import eicar


def test_nothing_in_the_tree_is_the_eicar_test_file(project: Path) -> None:
    """A scanner of this repository finds nothing."""
    needle = eicar()
    for folder in (project / "engines", project / "worker", Path(__file__).parents[1]):
        assert not [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_every_engine_has_a_module_of_its_name(engines: Any, project: Path) -> None:
    """The name of the module, in the queue and in the class are one."""
    for path in (project / "engines").glob("[!_]*.py"):
        engine = engines.engine_class(path.stem)({})
        assert engine.name == path.stem
        assert engine.kind in ("evilness", "metadata")
