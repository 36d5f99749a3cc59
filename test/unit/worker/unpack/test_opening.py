"""What a process sends that a sample has taken over."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def taken(project: Path, tmp_path: Path) -> Callable[[bytes], Any]:
    """Takes bytes, and returns what was taken: at most two members, and ten bytes."""
    opening, frames = (importlib.import_module(f"worker.unpack.{name}") for name in ("opening", "frames"))

    def take(sent: bytes) -> Any:
        (tmp_path / "members").mkdir()
        made = opening.Taken(tmp_path / "members", 0, 1, 2, 10)
        receiver = frames.Receiver(made.take)
        for start in range(0, len(sent), 3):
            receiver.feed(sent[start : start + 3])
        made.end()
        return made

    return take


def frame(kind: bytes, payload: object = b"") -> bytes:
    """Return a frame."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return kind + len(data).to_bytes(4, "big") + data


MEMBER = frame(b"B", {"name": "a"}) + frame(b"D", b"da") + frame(b"D", b"ta") + frame(b"E")


def test_members(taken: Callable[[bytes], Any]) -> None:
    """Frames may come in any pieces; a member that was not ended is there as far as it goes."""
    made = taken(MEMBER + frame(b"U", {"name": "b", "reason": "broken", "said": "a\nb"}) + MEMBER[:-5])
    assert [(each.number, each.name, each.path.read_bytes()) for each in made.members] == [
        (1, "a", b"data"),
        (2, "a", b"data"),
    ]
    assert [(each.name, each.reason, each.said) for each in made.unread] == [("b", "broken", "a b")]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello",
        frame(b"B", b"{"),
        frame(b"B", [1]),
        frame(b"D", b"data"),
        frame(b"E"),
        frame(b"U", {"reason": "because"}),
        b"D\xff\xff\xff\xff",
        MEMBER * 3,
        frame(b"U", {"reason": "broken"}) * 101,
        frame(b"B", {"name": 1}) + frame(b"D", bytes(11)),
    ],
)
def test_lies(taken: Callable[[bytes], Any], tmp_path: Path, sent: bytes) -> None:
    """What is no frame, or more than was asked for, is not taken."""
    frames, opening = (importlib.import_module(f"worker.unpack.{name}") for name in ("frames", "opening"))
    with pytest.raises((frames.FrameError, opening.TooMuchError)):
        taken(sent)
    assert sum(path.stat().st_size for path in (tmp_path / "members").iterdir()) <= 10
