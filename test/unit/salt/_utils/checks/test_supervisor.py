"""A Supervisor that was here first."""

from collections.abc import Callable
from pathlib import Path

import pytest

SOCKET = "[unix_http_server]\nfile=/run/supervisor.sock ; Debian's\n"
MAIN = "/etc/supervisor/supervisord.conf"


def test_foreign_programs(examine: Callable[..., list[str]], tmp_path: Path) -> None:
    """Development stops supervisord, and so is refused while that runs programs of somebody else."""
    folder = tmp_path / "etc" / "supervisor" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "celerycam.conf").touch()
    assert examine({"phagescan:mode": "development"}) == []
    (folder / "theirs.conf").touch()
    (fault,) = examine({"phagescan:mode": "development"})
    assert fault.startswith("phagescan:mode: development would stop supervisord")
    assert examine() == []


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (f"{SOCKET}[include]\nfiles = /etc/supervisor/conf.d/*.conf\n", []),
        (f"{SOCKET}[include]\nfiles = shop/*.conf conf.d/*.conf ; both\n", []),
        (f"{SOCKET}[include]\nfiles = shop.conf\n", ["[include]: files = shop.conf /etc/supervisor/conf.d/*.conf"]),
        (f"{SOCKET}", ["write to its section [include]: files = /etc/supervisor/conf.d/*.conf"]),
        ("[include]\nfiles = /etc/supervisor/conf.d/*.conf\n", ["[unix_http_server] and, below it, file="]),
        ("no setting\n", ["supervisord does not start with it; mend it: File contains no section headers"]),
    ],
)
def test_programs_are_read(examine: Callable[..., list[str]], tmp_path: Path, text: str, reported: list[str]) -> None:
    """A supervisord.conf that does not read ours, or by which it cannot be spoken to, is named with what to add."""
    (tmp_path / "etc/supervisor").mkdir(parents=True)
    (tmp_path / MAIN[1:]).write_text(text.replace("/etc/", f"{tmp_path}/etc/"))
    lines = [line.replace(str(tmp_path), "") for line in examine()]
    assert len(lines) == len(reported)
    for line, words in zip(lines, reported, strict=True):
        assert line.startswith(f"{MAIN}: ")
        assert words in line
