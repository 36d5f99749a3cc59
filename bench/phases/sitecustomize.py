"""Takes the time of salt-call's phases from inside: Python imports this by itself from a folder in PYTHONPATH.

Each moment belongs to the innermost of the functions named below that is running then. What another thread does costs
no time of its own, and is not counted. BENCH_PHASES names the file to write; only the process that runs a highstate
does.
"""

import atexit
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# module: {function or Class.method: phase}
HOOKS = {
    "salt.cli.call": {"SaltCall.run": "caller", "SaltCall.parse_args": "options"},
    "salt.loader": {"grains": "grains", "minion_mods": "loader", "states": "loader", "render": "loader"},
    "salt.minion": {"SMinion.__init__": "loader"},
    "salt.pillar": {"Pillar.compile_pillar": "pillar"},
    "salt.state": {
        "HighState.__init__": "loader",
        "BaseHighState.get_top": "top",
        "BaseHighState.render_highstate": "render",
        "State.call_high": "compile",
        "State.call_chunks": "requisites",
        "State.call": "states",
    },
    "salt.output": {"display_output": "return"},
}


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.stack = ["imports"]
        self.since = time.perf_counter()

    def turn(self) -> None:
        """What has passed belongs to the phase on top."""
        now = time.perf_counter()
        self.spent[self.stack[-1]] = self.spent.get(self.stack[-1], 0.0) + now - self.since
        self.since = now

    def wrap(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """The function, taking its time."""

        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **options)
            self.turn()
            self.stack.append(phase)
            try:
                return function(*arguments, **options)
            finally:
                self.turn()
                self.stack.pop()
                if phase == "return":
                    self.stack[:] = ["exit"] * len(self.stack)

        return wrapped

    def hook(self, module: ModuleType) -> None:
        """Wrap the functions of a module that was just imported; one that this version does not have is left out."""
        for path, phase in HOOKS[module.__name__].items():
            owner: Any = module
            name = path
            if "." in path:
                class_name, name = path.split(".")
                owner = getattr(module, class_name, None)
            function = getattr(owner, name, None)
            if function:
                setattr(owner, name, self.wrap(function, phase))


class Finder(importlib.abc.MetaPathFinder):
    """Lets the modules of HOOKS be imported as ever, and then wraps their functions."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.busy = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """The module's own spec, with a loader that calls `hook`."""
        if self.busy or name not in HOOKS:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec and spec.loader:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self.clock.hook(module)

            loader.exec_module = exec_module
        return spec


def started() -> float:
    """Seconds since this process was made, the shell script that became it included (proc(5): field 22)."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start the clock."""
    clock = Clock()
    clock.spent["start"] = started()
    sys.meta_path.insert(0, Finder(clock))

    def write() -> None:
        clock.turn()
        Path(os.environ["BENCH_PHASES"]).write_text(json.dumps(clock.spent))

    atexit.register(write)


# sys.argv is not there yet when Python imports this.
if os.environ.get("BENCH_PHASES") and b"state.highstate" in Path("/proc/self/cmdline").read_bytes().split(b"\0"):
    main()
