"""Keeps compiled templates from run to run. Salt has Jinja compile each again, which was a seventh of a run without
changes.

Jinja has a cache for it (jinja2.bccache), but not for templates that come as text, as Salt's do; nor does Salt take one
in its options.
"""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Callable
from types import CodeType
from typing import Any

import jinja2
import salt.version
from jinja2 import nodes
from jinja2.bccache import Bucket, FileSystemBytecodeCache
from jinja2.defaults import DEFAULT_FILTERS

MOST = 1000
"""Compiled templates: above that, those of former trees are too many, and all go."""

PURE = {*DEFAULT_FILTERS, "difference", "json", "regex_replace", "yaml", "yaml_dquote", "yaml_encode", "yaml_squote"}
PURE -= {"random"}
"""Filters that always make the same of the same. Jinja works out at once what it can: of others, such as Salt's
`file_hashsum`, the first run's result would stay.
"""

OPTIONS = (
    *("block_start_string", "block_end_string", "variable_start_string", "variable_end_string"),
    *("comment_start_string", "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks"),
    *("lstrip_blocks", "newline_sequence", "keep_trailing_newline", "optimized", "autoescape"),
)
"""What an environment says of how a template is read."""


def execute(
    opts: dict[str, Any], data: dict[str, Any], func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
) -> None:
    """Have Jinja ask the cache, and leave the call itself to the next executor."""
    if jinja2.Environment.compile.__name__ == cached.__name__:
        return
    place = pathlib.Path(opts["cachedir"], "templates")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return
    keeping = cached(jinja2.Environment.compile, FileSystemBytecodeCache(str(place)))
    jinja2.Environment.compile = keeping  # type: ignore[method-assign]


def cached(compile_anew: Callable[..., Any], cache: FileSystemBytecodeCache) -> Callable[..., Any]:
    """Return Jinja's function `compile` with a cache."""

    def once(
        self: jinja2.Environment, source: Any, name: str | None = None, filename: str | None = None, **more: Any
    ) -> Any:
        if more or not isinstance(source, str):
            return compile_anew(self, source, name, filename, **more)
        bucket = Bucket(self, key(self, source, name, filename), cache.get_source_checksum(source))
        # A power cut may leave anything of a file.
        with contextlib.suppress(Exception):
            cache.load_bytecode(bucket)
        if isinstance(bucket.code, CodeType):
            return bucket.code
        bucket.code = compile_anew(self, source, name, filename)
        if {node.name for node in self.parse(source).find_all(nodes.Filter)} <= PURE:
            with contextlib.suppress(OSError):
                if len(os.listdir(cache.directory)) >= MOST:
                    cache.clear()
                cache.set_bucket(bucket)
        return bucket.code

    once.__name__ = cached.__name__
    return once


def key(environment: jinja2.Environment, *what: str | None) -> str:
    """Name what the code of a template depends on."""
    options = [getattr(environment, option) for option in OPTIONS]
    versions = (jinja2.__version__, salt.version.__version__, type(environment).__name__)
    return hashlib.sha256(repr((what, options, versions, sorted(environment.extensions))).encode()).hexdigest()
