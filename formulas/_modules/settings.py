"""Settings of a formula: those of its pillar, over those of the project, over its defaults."""

import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any

import salt.utils.yaml

# Set by Salt's loader.
__context__: dict[str, Any]
__grains__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]


def get(formula: str, unmask: bool | None = None) -> dict[str, Any]:
    """Settings of a formula, the pillar namespace of that name. Later ones win, mappings are merged:

    `salt://<formula>/defaults.yaml`, what that has under `osfinger` for this release, what the project hands down (util
    `inherited.of`, where there is one), pillar. Passwords are masked as pillar.get does it.
    All callers of a run get the same mapping, which is not to be changed.
    """
    known, key = __context__.setdefault("settings.get", {}), (formula, unmask)
    if key not in known:
        pillar = partial(__salt__["pillar.get"], unmask=unmask)
        inherited = __utils__["inherited.of"](formula, pillar, __grains__) if "inherited.of" in __utils__ else {}
        known[key] = __utils__["layers.merge"](defaults(formula), inherited, pillar(formula, None) or {})
    return known[key]


def defaults(formula: str) -> dict[str, Any]:
    """Defaults of a formula on this release; nothing for a namespace that has none."""
    known = __context__.setdefault("settings.defaults", {})
    if formula not in known:
        path = __salt__["served.files"]().get(f"{formula}/defaults.yaml")
        found = salt.utils.yaml.safe_load(pathlib.Path(path).read_text()) if path else {}
        known[formula] = __utils__["layers.merge"](found, found.pop("osfinger", {}).get(__grains__["osfinger"], {}))
    return known[formula]
