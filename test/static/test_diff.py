"""What `make diff` prints of a change, and that it prints nothing else."""

from pathlib import Path

import pytest

from diff import compare
from tree import repository

MASTER = ("debian13", "systemd", "master")
PLAIN = ("debian12", "none", "master")
WORKER = ("debian13", "systemd", "worker")
# An edit of a template, of a value of pillar, and of states.
EDITS = {
    "formulas/nginx/files/site.jinja": ("    server_name ", "    keepalive_timeout 5;\n    server_name "),
    "pillar/phagescan.sls": ("time_zone: UTC", "time_zone: Europe/Vienna"),
    "salt/settled.sls": ("services-settled:", "services-note:\n  test.nop: []\n\nservices-settled:"),
}
MASTERS = "# master-debian13-systemd master-debian12-none"
PRINTED = {
    (MASTERS, "etc/nginx/sites-available/phagescan"): ["+    keepalive_timeout 5;"],
    (MASTERS, "etc/phagescan/master.toml"): ['-time_zone = "UTC"', '+time_zone = "Europe/Vienna"'],
    ("# all 3 cases", "highstate"): ["+services-note test.nop services-note"],
    ("# all 3 cases", "highstate/services-note"): ["+sls: settled", "+test:", "+- nop"],
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository whose HEAD is the work tree."""
    repository(tmp_path / "checkout")
    return tmp_path / "checkout"


def test_nothing_changed(checkout: Path) -> None:
    """Two renderings of the same tree, in two places, are the same."""
    assert compare(checkout, "HEAD", [WORKER]) == ""


def test_changes(checkout: Path) -> None:
    """Each shows as the lines that it changes, once for all cases in which it does, and nothing else is printed."""
    for name, (old, new) in EDITS.items():
        text = (checkout / name).read_text()
        assert old in text
        (checkout / name).write_text(text.replace(old, new))
    printed = compare(checkout, "HEAD", [MASTER, PLAIN, WORKER])
    found = {}
    for piece in printed.removesuffix("\n\n").split("\n\n#"):
        heading, before, after, *lines = f"#{piece.removeprefix('#')}".splitlines()
        path = after.removeprefix("+++ master-debian13-systemd/")
        assert before == f"--- BASE/master-debian13-systemd/{path}"
        found[heading, path] = [line for line in lines if line.startswith(("+", "-"))]
    assert found == PRINTED
    assert "render-secret-key-" in printed  # beside the time zone; the real ones are never read
