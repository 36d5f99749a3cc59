"""A line a part, as of `phagescan.status`, below a broken one the last lines of its log; mere text is a line as
well.
"""

from typing import Any

WORDS = {True: "ok", False: "BROKEN", None: "-"}
DEGRADED = "degraded"


def output(data: dict[str, Any], **_kwargs: Any) -> str:
    """The lines, of one minion as of several."""
    lines = (line for parts in data.values() for line in (_lines(parts) if isinstance(parts, dict) else [str(parts)]))
    return "\n".join(printable(line) for line in lines)


def printable(line: str) -> str:
    """What came from elsewhere may hold orders to a terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in line)


def _lines(parts: dict[str, dict[str, Any] | str]) -> list[str]:
    width = max(map(len, parts))
    lines = []
    for name, part in parts.items():
        if isinstance(part, str):
            lines.append(f"{name:{width}}  {part}")
            continue
        word = DEGRADED if part.get("degraded") else WORDS[part["ok"]]
        lines.append(f"{word:8} {name:{width}}  {part['said']}")
        lines += [f"          {line}" for line in part["log"]]
    return lines
