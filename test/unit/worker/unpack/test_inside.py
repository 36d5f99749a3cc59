"""What is inside a sample, and how far it is looked for."""

import bz2
import gzip
import importlib
import lzma
import random
import tarfile
from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from containers import entry, tarred, zipped

SECRET = b"what is to be found\n" * 3


def mail() -> bytes:
    """A mail with an attachment."""
    made = EmailMessage()
    made["Subject"] = "invoice"
    made.set_content("see attachment")
    made.add_attachment(SECRET, maintype="application", subtype="octet-stream", filename="secret.bin")
    return made.as_bytes()


CONTAINERS = {
    "zip": zipped(("secret", SECRET)),
    "zip in zip": zipped(("inner.zip", zipped(("secret", SECRET)))),
    "compressed tar": tarred((entry("secret"), SECRET)),
    "gz": gzip.compress(SECRET),
    "bz2": bz2.compress(SECRET),
    "xz": lzma.compress(SECRET),
    "mail": mail(),
    "mailbox": b"From a@example.org Thu Jan  1 00:00:00 2026\nReceived: x\n" + mail(),
    "page": b'<html><a href="data:application/x;base64,' + b64encode(SECRET) + b'">',
    "rtf": rb"{\rtf1{\object\objemb{\*\objdata " + SECRET.hex().encode() + b"}}}",
    "program with a zip": b"MZ" + bytes(200) + zipped(("secret", SECRET)),
}


def test_containers(look: Callable[..., Any]) -> None:
    """A file is found in every kind of container."""
    found = {name: [member.path.read_bytes() for member in look(data).members] for name, data in CONTAINERS.items()}
    assert [name for name, contents in found.items() if not any(SECRET in each for each in contents)] == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_places(look: Callable[..., Any]) -> None:
    """Where something is, is said by the names from the sample down; members of one name are two."""
    inside = look(zipped(("a.zip", zipped(("x", b"1"), ("x", b"2"))), ("b", b"")))
    places = [inside.place(member.parent, member.name) for member in inside.members]
    assert places == ["a.zip", "b", "a.zip/x", "a.zip/x"]
    assert [member.path.read_bytes() for member in inside.members[1:]] == [b"", b"1", b"2"]


def test_names(look: Callable[..., Any]) -> None:
    """A name is a name, whatever it says; links and devices have no bytes."""
    names = ["../../up", "/absolute", "x" * 3000, "\1\n"]
    special = [(entry("link", tarfile.SYMTYPE, "/etc/passwd"), b""), (entry("device", tarfile.CHRTYPE), b"")]
    inside = look(tarred(*((entry(name), b"data") for name in names), *special))
    assert [member.name for member in inside.members] == [name[:1000] for name in names]
    assert {member.path.name for member in inside.members} == {"1", "2", "3", "4"}


@pytest.mark.parametrize(
    ("limits", "data", "count", "said"),
    [
        ({"depth": 2}, zipped(("a", zipped(("b", zipped(("c", b"")))))), 2, "phagescan:unpack:depth"),
        ({"members": 3}, zipped(*((f"{n}", b"%d" % n) for n in range(9))), 3, "phagescan:unpack:members"),
        ({"size": 1 << 20}, gzip.compress(bytes(9 << 20)), 1, "phagescan:unpack:size"),
        ({"size": 99 << 20, "ratio": 2}, gzip.compress(bytes(17 << 20)), 1, "ratio"),
        ({"seconds": 0}, zipped(("a", b"")), 0, "phagescan:unpack:seconds"),
    ],
)
def test_limits(look: Callable[..., Any], limits: dict[str, int], data: bytes, count: int, said: str) -> None:
    """Beyond a limit nothing is looked into, and that is said."""
    inside = look(data, **limits)
    assert len(inside.members) == count
    (unread,) = inside.unread
    assert (unread.reason, said in unread.said) == ("limit", True)
    assert sum(member.path.stat().st_size for member in inside.members) <= limits.get("size", 1 << 20)


def test_once(look: Callable[..., Any]) -> None:
    """What is inside in many places is looked into once: a bomb of zips in zips is small."""
    data = zipped(*((f"{n}", bytes(1000)) for n in range(5)))
    for _ in range(6):
        data = zipped(*((f"{n}.zip", data) for n in range(5)))
    inside = look(data)
    assert (len(inside.members), len(inside.different()), inside.unread) == (35, 7, [])


def test_broken(look: Callable[..., Any]) -> None:
    """Of what is cut in the middle the beginning is there, and the rest is named."""
    data = zipped(("a", SECRET), ("b", bytes(range(256)) * 400))
    inside = look(data[:200])
    assert inside.members[0].path.read_bytes() == SECRET
    assert {unread.reason for unread in inside.unread} == {"broken"}


def test_encrypted(look: Callable[..., Any], project: Path, tmp_path: Path) -> None:
    """Passwords are tried; what none opens is named."""
    programs = importlib.import_module("worker.unpack.programs")
    (tmp_path / "secret").write_bytes(SECRET)
    for password, options, found in (("infected", [], 1), ("infected", ["-mhe=on"], 1), ("other", [], 0)):
        archive = tmp_path / f"{password}{len(options)}.7z"
        run = programs.program(
            programs.SEVEN_ZIP, "a", f"-p{password}", *options, str(archive), str(tmp_path / "secret")
        )
        run.communicate()
        inside = look(archive.read_bytes())
        assert len(inside.members) == found
        assert [unread.reason for unread in inside.unread] == ["encrypted"] * (1 - found)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes that are changed in some places."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 2, 5, 20, 100))):
        place, length = chance.randrange(len(changed)), chance.randrange(1, 30)
        put = chance.choice((chance.randbytes(1), b"\0", b"\xff" * 4, chance.randbytes(length), b""))
        changed[place : place + chance.choice((0, len(put), length))] = put
        changed = changed or bytearray(b"x")
    return bytes(changed)


@pytest.mark.day
def test_mutated(look: Callable[..., Any]) -> None:
    """Of 2,000 broken containers each is looked into or said to be broken, and the next one is looked into."""
    chance = random.Random(17)
    names = sorted(CONTAINERS)
    for number in range(2000):
        inside = look(mutated(CONTAINERS[names[number % len(names)]], chance), seconds=10)
        assert {unread.reason for unread in inside.unread} <= {"broken", "unsupported", "encrypted", "limit"}
    assert [member.path.read_bytes() for member in look(CONTAINERS["zip"]).members] == [SECRET]


def test_nothing(look: Callable[..., Any]) -> None:
    """What contains nothing costs no process."""
    inside = look(b"A text.\n")
    assert (inside.members, inside.unread) == ([], [])
