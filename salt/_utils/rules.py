"""Whether YARA rules compile: the engine itself is asked, as the user that it runs as."""

import json
from collections.abc import Callable, Mapping
from typing import Any

TIMEOUT = 60.0


def faults(rules: Mapping[str, str], site: dict[str, Any], python: Callable[..., Any]) -> list[str] | None:
    """A line for each of the texts that the engine would leave out, with its name, and the number of the line; None
    where the engine is not installed yet. `python` runs the Python of a `site`.
    """
    if not rules:
        return []
    try:
        done = python(site, "-m", "engines.yara", stdin=json.dumps(dict(rules)), timeout=TIMEOUT)
    except TimeoutError:
        return [f"did not compile within {TIMEOUT:g} s"]
    except (OSError, LookupError):
        return None
    if done.returncode:
        return [" ".join(done.stderr.split())[-300:]]
    try:
        return [str(error) for error in json.loads(done.stdout).values()]
    except ValueError:  # the engine of a release before, which does not say
        return None
