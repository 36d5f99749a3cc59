"""A line a part, as of `phagescan.status`, below a broken one the last lines of its log; mere text is a line as
well.
"""

from typing import Any

WORDS = {True: "ok", False: "BROKEN", None: "-"}


def output(data: dict[str, Any], **_kwargs: Any) -> str:
    """The lines, of one minion as of several."""
    return "\n".join(
        line for parts in data.values() for line in (_lines(parts) if isinstance(parts, dict) else [str(parts)])
    )


def _lines(parts: dict[str, dict[str, Any] | str]) -> list[str]:
    width = max(map(len, parts))
    lines = []
    for name, part in parts.items():
        if isinstance(part, str):
            lines.append(f"{name:{width}}  {part}")
            continue
        lines.append(f"{WORDS[part['ok']]:7} {name:{width}}  {part['said']}")
        lines += [f"          {line}" for line in part["log"]]
    return lines
