"""What `phagescan.status` tells: a line a part, and below a broken one the last lines of its log."""

from typing import Any

WORDS = {True: "ok", False: "BROKEN", None: "-"}


def output(data: dict[str, Any], **_kwargs: Any) -> str:
    """The lines, of one minion as of several."""
    return "\n".join(line for parts in data.values() for line in (_lines(parts) if isinstance(parts, dict) else [str(parts)]))


def _lines(parts: dict[str, dict[str, Any]]) -> list[str]:
    width = max(map(len, parts))
    lines = []
    for name, part in parts.items():
        lines.append(f"{WORDS[part['ok']]:7} {name:{width}}  {part['said']}")
        lines += [f"          {line}" for line in part["log"]]
    return lines
