"""What is inside a sample: the worker looks into the sample, into what was found there, and so on."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.unpack.frames import LIMIT, Unread
from worker.unpack.kinds import kind_of
from worker.unpack.opening import Member, Opening, Taken

LEAST = 16 << 20
"""Bytes that may come out of any file, however small it is."""


@dataclass(frozen=True)
class Limits:
    """How far a sample is looked into: levels, members, bytes of them together, seconds, and how many times its own
    size a file may become.
    """

    depth: int
    members: int
    size: int
    seconds: float
    ratio: int

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Limits":
        """Take them from the table `unpack` of worker.toml, where `size` is in MiB."""
        return cls(table["depth"], table["members"], table["size"] << 20, table["seconds"], table["ratio"])


@dataclass
class Inside:
    """What is inside a sample, and what was not looked into."""

    members: list[Member] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def different(self) -> list[Member]:
        """Return the members of which no other before has the same bytes."""
        return list({member.sha256: member for member in reversed(self.members)}.values())[::-1]

    def place(self, parent: int, name: str) -> str:
        """Return where something is, as a path of names from the sample down."""
        names = [name]
        while parent:
            member = self.members[parent - 1]
            names.append(member.name)
            parent = member.parent
        return "/".join(name or "?" for name in reversed(names))


def look_into(opening: Opening, sample: Path, folder: Path, limits: Limits, passwords: Sequence[str]) -> Inside:
    """Return what is inside a sample, with files for it in a folder; what this host lacks is an OSError."""
    inside = Inside()
    known: set[str] = set()
    room, begin = limits.size, time.monotonic()
    left = deque([(0, sample, 0)])
    while left:
        number, path, depth = left.popleft()
        if not (kind := kind_of(path)):
            continue
        taken = Taken(
            folder,
            number,
            len(inside.members) + 1,
            limits.members - len(inside.members),
            min(room, max(LEAST, path.stat().st_size * limits.ratio)),
        )
        seconds = limits.seconds - (time.monotonic() - begin)
        if depth >= limits.depth or seconds <= 0 or taken.room <= 0 or taken.most <= 0:
            limit = "depth" if depth >= limits.depth else "seconds" if seconds <= 0 else "size and members"
            inside.unread.append(taken.not_read(LIMIT, f"beyond phagescan:unpack:{limit}"))
            continue
        before = taken.room
        opening.open(taken, path, kind, passwords, seconds)
        room -= before - max(0, taken.room)
        inside.members += taken.members
        inside.unread += taken.unread
        for member in taken.members:
            if member.sha256 not in known:
                known.add(member.sha256)
                left.append((member.number, member.path, depth + 1))
    return inside
