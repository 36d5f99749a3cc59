"""Mappings in layers: what a later one says counts."""

import copy
from typing import Any

from salt.utils import dictupdate


def merge(*layers: dict[str, Any]) -> dict[str, Any]:
    """A mapping of all. Two mappings under one key are merged, else the later value counts; None says nothing."""
    merged: dict[str, Any] = {}
    for layer in layers:
        dictupdate.update(merged, _said(layer))
    return merged


def _said(layer: dict[str, Any]) -> dict[str, Any]:
    """A copy without what is None."""
    return {
        key: _said(value) if isinstance(value, dict) else copy.deepcopy(value)
        for key, value in layer.items()
        if value is not None
    }
