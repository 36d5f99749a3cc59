"""Whether apt and pip would get what a run needs: tried as the run does it, without installing anything."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from salt.exceptions import CommandExecutionError

log = logging.getLogger("progress")  # what salt/_log_handlers/progress.py shows


def lacking(
    chunks: Sequence[Mapping[str, Any]], utils: Mapping[str, Callable[..., Any]], fetch: Callable[[str], str]
) -> list[str]:
    """Why a run of these states would not get its packages, a line each. `utils` are those that it
    asks, by name, `fetch` is cp.cache_file.
    """
    return [*_of_apt(chunks, utils), *_of_pip(chunks, utils, fetch)]


def _of_apt(chunks: Sequence[Mapping[str, Any]], utils: Mapping[str, Callable[..., Any]]) -> Iterator[str]:
    wanted = [name for chunk in chunks if chunk["state"] == "packages" for name in chunk["pkgs"]]
    missing = utils["packages.missing"](wanted)
    try:
        if missing:
            utils["packages.install"](missing, try_only=True)
    except CommandExecutionError as error:
        yield f"packages: {error}"


def _of_pip(
    chunks: Sequence[Mapping[str, Any]], utils: Mapping[str, Callable[..., Any]], fetch: Callable[[str], str]
) -> Iterator[str]:
    for chunk in chunks:
        if chunk["state"] == "python_lock":
            log.info("trying pip")
            command = utils["python_packages.trial"](chunk["name"], fetch(chunk["source"]))
            done = utils["programs.run"](command, env=utils["python_packages.environment"]())
            if done.returncode:
                why = utils["programs.reason"](done.stderr, done.stdout)
                yield f"{chunk['name']}: pip cannot fetch what it lacks ({why}); see the network and pip.conf"
