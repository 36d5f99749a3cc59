"""What a run changed and what failed, in a few lines: in place of Salt's list, which is there on request.

Asked for as Salt spells it, by `--out=highstate`, or by a --state-output or --state-verbose other than the configured
ones, Salt's own outputter prints it; `--out=json` is for programs, as ever.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import salt.output.highstate as stock
from parts import printable
from salt.utils.color import get_colors

# Set by Salt's loader.
__opts__: dict[str, Any]

MOST = 15  # changes, each a line
LAST = 10  # lines of what a program said
NAMED = 5  # of those that were not tried
COLUMNS = (120, 24)  # where there is no terminal
USUAL = "Note: No changes made, actual changes may"  # so Salt says of every file in a preview
UNTRIED = "One or more requisite failed"

State = Mapping[str, Any]


def output(data: Any, **kwargs: Any) -> str:
    """The lines; of what is no run, Salt's own."""
    logging.getLogger("progress").info("")  # takes the progress line away
    states = next(iter(data.values()), None) if isinstance(data, dict) and len(data) == 1 else None
    if _asked() or not isinstance(states, dict) or not states or not all(map(_is_state, states.values())):
        vars(stock)["__opts__"] = __opts__
        return str(stock.output(data, **kwargs))
    ran = sorted(states.values(), key=lambda state: state["__run_num__"])
    return "\n".join([*_changed(ran), *_failed(ran), *_total(ran)])


def _asked() -> bool:
    """Whether Salt's list is asked for."""
    asked = __opts__.get("output") == "highstate" or __opts__.get("state_verbose")
    return bool(asked) or __opts__.get("state_output") != "changes"


def _is_state(state: Any) -> bool:
    return isinstance(state, dict) and {"result", "changes", "comment", "__run_num__"} <= state.keys()


def _differs(state: State) -> bool:
    return state["result"] is not False and bool(state["changes"] or state["result"] is None)


def _is_untried(state: State) -> bool:
    """Whether a state has failed for no other reason than that another did."""
    return state["result"] is False and str(state["comment"]).startswith(UNTRIED)


def _words(state: State) -> list[str]:
    """Lines of a state's comment, of which the first says what it did, and after them its warnings."""
    lines = [line.strip() for line in str(state["comment"]).splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):
        lines[:2] = [" ".join(lines[:2])]
    lines = lines or [f"{', '.join(map(str, state['changes'])) or 'something'} changed"]
    return [printable(line) for line in [*lines, *(f"Warning: {word}" for word in state.get("warnings", ()))]]


def _said(state: State) -> list[str]:
    """What a program has said, of states that have it among their changes alone, as cmd.run."""
    changes = state["changes"] if isinstance(state["changes"], dict) else {}
    texts = (str(changes.get(stream) or "") for stream in ("stdout", "stderr"))
    return [printable(line) for text in texts for line in text.splitlines()[-LAST:]]


def _head(state: State) -> str:
    """ID of a state, and its name where the comment does not say it."""
    identifier, name = str(state.get("__id__", "")), str(state.get("name", ""))
    is_said = name == identifier or name in _words(state)[0]
    return printable(identifier if is_said else f"{identifier} {name}")


def _changed(ran: list[State]) -> Iterator[str]:
    changed = [state for state in ran if _differs(state)]
    if changed:
        yield "Would change:" if any(state["result"] is None for state in changed) else "Changed:"
    for state in changed[:MOST]:
        yield _cut(f"  {_head(state)}: {_words(state)[0]}")
    if len(changed) > MOST:
        yield f"  and {len(changed) - MOST} more: a run with --out=highstate lists all"
    for state in ran:
        noted = () if state["result"] is False else _words(state)[1:]
        yield from (line for line in noted if line.startswith(("Note: ", "Warning: ")) and not line.startswith(USUAL))


def _cut(line: str) -> str:
    columns = shutil.get_terminal_size(COLUMNS).columns
    return line if len(line) <= columns else f"{line[: columns - 3]}..."


def _failed(ran: list[State]) -> Iterator[str]:
    """What failed in full; of what needs it, names."""
    colors = get_colors(__opts__.get("color"), __opts__.get("color_theme"))
    failed = [state for state in ran if state["result"] is False and not _is_untried(state)]
    untried = [str(state.get("__id__")) for state in ran if _is_untried(state)]
    if failed:
        yield f"{colors['RED']}Failed:{colors['ENDC']}"
    for state in failed:
        first, *more = _words(state)
        yield f"  {_head(state)}: {first}"
        yield from (f"      {line}" for line in [*more, *_said(state)])
    if untried:
        more = [f"{len(untried) - NAMED} more"] if len(untried) > NAMED else []
        yield f"  Not tried, as they need what failed: {', '.join([*untried[:NAMED], *more])}"
    if failed and __opts__.get("failhard") and not __opts__.get("test"):
        yield "  Not looked at: what comes after that, as failhard is set in the configuration (roots/minion/minion.d)"


def _total(ran: list[State]) -> Iterator[str]:
    changed, pending = (sum(map(count, ran)) for count in (_differs, lambda state: state["result"] is None))
    untried = sum(map(_is_untried, ran))
    failed = sum(state["result"] is False for state in ran) - untried
    words = [f"{changed} would change" if pending else f"{changed} changed" if changed else "nothing changed"]
    words += [f"{failed} failed"] * bool(failed) + [f"{untried} not tried"] * bool(untried)
    seconds = sum(float(state.get("duration") or 0) for state in ran) / 1000
    yield f"{len(ran)} state{'s' * (len(ran) > 1)} in {seconds:.1f} s: {', '.join(words)}"
