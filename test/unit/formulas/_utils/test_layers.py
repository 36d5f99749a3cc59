"""Mappings in layers."""

from collections.abc import Callable
from typing import Any


def test_merge(load: Callable[..., Any]) -> None:
    """Later ones count, mappings key by key; None says nothing, and the layers stay as they are."""
    merge = load("_utils/layers").merge
    first: dict[str, Any] = {"a": 1, "b": {"c": [1], "d": 2}, "e": {"f": 1}}
    second: dict[str, Any] = {"a": None, "b": {"c": [2], "d": None, "g": {}}, "e": 5}
    merged = merge(first, second, {})
    assert merged == {"a": 1, "b": {"c": [2], "d": 2, "g": {}}, "e": 5}
    merged["b"]["c"].append(3)
    assert (first["b"], second["b"]["c"]) == ({"c": [1], "d": 2}, [2])
    assert merge() == {}
