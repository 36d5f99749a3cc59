"""What engines say of a sample and of all that is inside it: one answer for each engine."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker import fetch
from worker.answers import Answer
from worker.sandbox import Sandbox, scan_all
from worker.unpack.frames import LIMIT, Unread
from worker.unpack.inside import Inside, Limits, look_into
from worker.unpack.kinds import kind_of
from worker.unpack.opening import Opening

SECONDS = 300.0
"""How long members are scanned: far below what the broker waits for a message."""

SHOWN = 20
"""How many files are named that were not looked into."""

BAD = ("error", "timed_out")


def judge(
    boxes: Mapping[str, Sandbox], opening: Opening, sample: Path, limits: Limits, passwords: Sequence[str]
) -> dict[str, Answer]:
    """Have engines scan a sample and what is inside it. It is infected where a member is; where one could not be looked
    into it is not known to be free of detections. What this host lacks is an OSError.
    """
    answers = scan_all(boxes, sample)
    if not kind_of(sample):
        return answers
    with fetch.private_folder() as folder:
        inside = look_into(opening, sample, folder, limits, passwords)
        found = scan_members(boxes, inside)
    return {engine: summed(answer, inside, found[engine]) for engine, answer in answers.items()}


def scan_members(boxes: Mapping[str, Sandbox], inside: Inside) -> dict[str, dict[int, Answer]]:
    """Have engines scan members, and return their answers by engine and the member's number."""
    found: dict[str, dict[int, Answer]] = {engine: {} for engine in boxes}
    deadline = time.monotonic() + SECONDS
    for member in inside.different():
        if time.monotonic() > deadline:
            inside.unread.append(Unread(member.parent, member.name, LIMIT, "there was no time left for it"))
            continue
        for engine, answer in scan_all(boxes, member.path).items():
            found[engine][member.number] = answer
    return found


def summed(answer: Answer, inside: Inside, members: Mapping[int, Answer]) -> Answer:
    """Return what an engine says of a sample with all that is inside. One that only describes says it of the sample."""
    if answer.outcome not in ("clean", "infected"):
        return answer
    metadata = answer.metadata | {"members": str(len(inside.members))}
    not_read = unread(inside)
    if not_read:
        metadata["unread"] = not_read
    if answer.outcome == "infected":
        return replace(answer, metadata=metadata)
    for number, found in members.items():
        if found.outcome == "infected":
            return replace(found, metadata=metadata | {"member": place(inside, number)}, duration=answer.duration)
    failed = [f"{place(inside, number)}: {found.error}" for number, found in members.items() if found.outcome in BAD]
    if failed or not_read:
        error = failed[0] if failed else f"not looked into: {not_read}"
        return replace(answer, outcome="error", error=error, metadata=metadata)
    return replace(answer, metadata=metadata)


def unread(inside: Inside) -> str:
    """Write what was not looked into."""
    lines = [f"{inside.place(each.parent, each.name)} ({each.reason}: {each.said})" for each in inside.unread]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "; ".join([*lines[:SHOWN], *more])


def place(inside: Inside, number: int) -> str:
    """Return where a member is."""
    member = inside.members[number - 1]
    return inside.place(member.parent, member.name)
