"""The process that runs one engine. The sandbox starts it by its path, as `python -I child.py`: nothing is inherited.

It reads requests from standard input, one JSON object a line, and writes an answer for each, with the request's `id`.
The first request says which engine to load, and how little the process may do. Each further one is done by a fork,
which has the loaded engine, can be no more than killed, and says in one piece what came out. So this process itself
never sees a sample, nor understands what was said of one.
"""

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("/usr", "/lib", "/lib64")
"""Where the system's programs are, and their libraries."""

IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""A service manager sends these to everything below the worker, which then still ends its scans."""

LONGEST = 1 << 20
"""Bytes that a fork may say. More is not from an engine of ours."""

OUT_OF_MEMORY = "out of memory"

GRACE = 2.0
"""Seconds in which what is killed has ended."""


def main() -> None:
    """Answer until there are no more requests."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # When memory is short, an engine ends before the worker does.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    requests, answers = private_pipes()
    sys.path.insert(0, str(ROOT))
    first = json.loads(requests.readline())
    number, members = first.pop("id"), first.pop("members")
    try:
        engine, fence, hello = begin(**first)
    except Exception as error:  # noqa: BLE001
        return answer(answers, {"id": number, "error": describe(error)})
    answer(answers, {"id": number, **hello})
    commands: dict[str, Callable[..., dict[str, Any]]] = {
        "scan": lambda path: vars(engine.scan(Path(path))) | {"version": engine.version()},
        "unpack": lambda **asked: engine.unpack(members, **asked),
        "self_test": lambda: engine.self_test() or {"version": engine.version()},
    }

    def perform(enclose: Callable[[], None], do: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked for; this runs in the fork."""
        # What is asked and answered here is none of its business.
        for pipe in (requests, answers):
            os.dup2(0, pipe.fileno())
        enclose()
        return commands[do](**arguments)

    for line in requests:
        request = json.loads(line)
        number, timeout, do = request.pop("id"), request.pop("timeout"), request.pop("do")
        work = partial(perform, do=do, arguments=request)
        samples = [request["path"]] if "path" in request else []
        said = attempt(engine, fence.around(samples), work, timeout)
        if engine.programs:
            wait_for_the_rest()
        answer(answers, {"id": number, **said})
    return None


def begin(
    engine: str, options: dict[str, Any], memory: int, parent: int, samples: str
) -> tuple[Any, Any, dict[str, Any]]:
    """Give up what the engine does not need, then make it. Return it, the fence of its forks, and what the engine is.
    `samples` is a folder with all samples.

    Its libraries are imported before: some of them start programs to find their own parts.
    """
    import_without_hooks("threading", "random", "logging")
    from engines import engine_class  # noqa: PLC0415  the path to it was not known before
    from worker.confine import LANDLOCK, Fence, confine, libc  # noqa: PLC0415

    system = ("/etc/ld.so.cache", "/etc/magic", "/dev/null", "/dev/urandom", "/proc/meminfo")
    readable = (*PROGRAMS, *system, sys.prefix, sys.base_prefix, str(ROOT), *given_paths(options))
    chosen = engine_class(engine)
    programs = PROGRAMS if chosen.programs else ()
    missing = confine(memory, parent, (*readable, samples), sockets=chosen.sockets, programs=programs)
    made = chosen(options)
    # What a library loads at its first use is then there for every fork. Whether the test passes is asked elsewhere.
    with contextlib.suppress(Exception), made.connected():
        made.self_test()
    landlock = not any(lack.startswith(LANDLOCK) for lack in missing)
    fence = Fence(readable if landlock else None, programs)
    hello = {"version": made.version(), "kind": made.kind, "finds_eicar": made.finds_eicar, "missing": missing}
    hello["warning"] = made.warning()
    # A fork takes longer the more memory there is, and so does what it writes to.
    gc.collect()
    libc.malloc_trim(0)
    gc.freeze()
    return made, fence, hello


def import_without_hooks(*modules: str) -> None:
    """Import modules of Python's that make locks and seeds again in each fork, and keep them from it: this process has
    no threads, and what a fork writes to has to be copied for it.
    """
    register = os.register_at_fork
    os.register_at_fork = lambda **_: None
    try:
        for module in modules:
            import_module(module)
    finally:
        os.register_at_fork = register


def given_paths(options: dict[str, Any]) -> list[str]:
    """Return the paths among an engine's options."""
    return [value for value in options.values() if isinstance(value, str) and value.startswith("/")]


def attempt(
    engine: Any,
    fenced: AbstractContextManager[Callable[[], None]],
    work: Callable[[Callable[[], None]], dict[str, Any]],
    timeout: float,
) -> dict[str, Any]:
    """Have work done by a fork, which gets what the engine is connected to, and what it has to call first."""
    try:
        with engine.connected(), fenced as enclose:
            return in_a_fork(partial(work, enclose), timeout)
    except Exception as error:  # noqa: BLE001  whatever the engine raises
        return {"error": describe(error)}


def in_a_fork(work: Callable[[], dict[str, Any]], timeout: float) -> dict[str, Any]:
    """Have work done by a fork, which is gone afterwards. Return what it `said`, not yet understood, or why that is
    nothing.
    """
    ours, its = os.pipe()
    try:
        fork = os.fork()
    except OSError as error:
        os.close(ours)
        os.close(its)
        return {"error": f"worker: {error.strerror}"}
    if fork == 0:
        try:
            os.close(ours)
            left = result(work)
            while left:
                left = left[os.write(its, left) :]
            # The pipe is closed by this and not before: one that has closed it is killed.
            os._exit(0)
        finally:
            os._exit(1)
    os.close(its)
    try:
        said = listen(ours, time.monotonic() + timeout)
    finally:
        # One that has ended is not changed by this, and its number is not another's before it is waited for.
        os.kill(fork, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])
        os.close(ours)
    if said is None:
        return {"timed_out": timeout}
    if len(said) > LONGEST:
        return {"error": "its answer is too long"}
    return {"error": crash(code)} if code else {"said": said.decode(errors="replace")}


def wait_for_the_rest() -> None:
    """Wait for the programs that a fork has started: they are killed when it ends. What goes on all the same is the
    sample's; then this process ends, and the worker kills its group.
    """
    deadline = time.monotonic() + GRACE
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.001)
        raise SystemExit(1)


def listen(pipe: int, deadline: float) -> bytes | None:
    """Read to the end, or more than is allowed; None when it takes too long."""
    said = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(said) <= LONGEST:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        if not (piece := os.read(pipe, 1 << 16)):
            break
        said += piece
    return bytes(said)


def result(work: Callable[[], dict[str, Any]]) -> bytes:
    """Return what work returns, or the error that it raised, as JSON."""
    try:
        return json.dumps(work()).encode()
    except BaseException as error:  # noqa: BLE001  the fork ends anyhow
        return json.dumps({"error": describe(error)}).encode()


def describe(error: BaseException) -> str:
    """Write an error in one line."""
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def crash(code: int) -> str:
    """Tell how a process ended: by its exit code, negative for a signal."""
    if code >= 0:
        return f"crashed: exit code {code}"
    try:
        return f"crashed: {signal.Signals(-code).name}"
    except ValueError:
        return f"crashed: signal {-code}"


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes away from standard input and output: what libraries print goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    return open(requests, "rb"), open(answers, "wb")


def answer(answers: BinaryIO, values: dict[str, Any]) -> None:
    """Write an answer."""
    answers.write(json.dumps(values).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    main()
