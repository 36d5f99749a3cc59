"""Whether the rules of pillar compile, as the engine says."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

RULES = {"mine": "rule Mine { condition: gone }"}


@pytest.mark.parametrize(
    ("said", "code", "faults"),
    [
        ({}, 0, []),
        ({"mine.yar": "mine.yar(1): undefined identifier"}, 0, ["mine.yar(1): undefined identifier"]),
        ("", 0, None),
        ("Traceback", 1, ["why"]),
        (FileNotFoundError(), 0, None),
        (KeyError("avscan"), 0, None),
        (TimeoutError(), 0, ["did not compile within 60 s"]),
    ],
)
def test_faults(load: Callable[..., Any], said: Any, code: int, faults: Any) -> None:
    """Each file that does not compile is a line; where there is no engine nothing is known, and no rules need none."""

    def python(site: dict[str, str], *arguments: str, stdin: str, timeout: float) -> Any:
        assert (site["user"], arguments, json.loads(stdin)) == ("avscan", ("-m", "engines.yara"), RULES)
        if isinstance(said, Exception):
            raise said
        return subprocess.CompletedProcess([], code, said if isinstance(said, str) else json.dumps(said), "why\n")

    module = load("_utils/rules")
    assert module.faults(RULES, {"user": "avscan"}, python) == faults
    assert module.faults({}, {}, None) == []
