"""A copy of a host is a host as any other: an image of it, and its files from an archive, have other times and
inodes.
"""

from collections.abc import Iterator

import pytest

from support.converged import Converged
from support.machine import Machine
from support.waiting import wait_until

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("first_run")]

# What a backup holds besides databases and the package manager's own: code, virtualenvs, settings, samples, units.
SAVED = " ".join(
    (
        *(
            "opt",
            "etc/phagescan",
            "var/lib/phagescan",
            "var/cache/salt",
            "var/log/phagescan",
            "var/log/phagescan-worker",
        ),
        *("etc/nginx", "etc/supervisor", "etc/rabbitmq", "etc/postgresql", "etc/postgresql-common", "etc/logrotate.d"),
        *("etc/default", "etc/init.d", "etc/systemd/system", "usr/local"),
    )
)
ARCHIVE = "/root/saved.tar"
FRACTIONS = (
    "find /opt/phagescan /opt/phagescan-venv /var/lib/phagescan/static -type f -printf '%T@\\n' | grep -vc '[.]0*$'"
)
STAMP = "/opt/phagescan-venv/.synchronised"


@pytest.fixture(scope="module")
def copy(machine: Machine, image: Converged) -> Iterator[Machine]:
    """A host made of the image, on which nothing has run yet but its boot."""
    copy = Machine(machine.kind, machine.run_label, f"{machine.kind}-copy", image=image.image)
    copy.start()
    try:
        wait_until(lambda: copy.run("/opt/phagescan/dev/ps_services.sh status").code == 0, "the services run", 600)
        yield copy
    finally:
        copy.end()


def work(machine: Machine, action: str) -> None:
    """Stop or start what runs our code."""
    machine.run(f"/opt/phagescan/dev/ps_services.sh {action} && service celeryd {action}").ok()


def test_image(copy: Machine) -> None:
    """The first run on a host made of an image has nothing to do, and leaves it so that the next reads no more than
    ever.
    """
    assert copy.run(FRACTIONS).stdout == "0\n"
    copy.highstate().clean()
    newest = copy.run("find /opt/phagescan-venv/lib -type f -printf '%C@\\n' | sort -n | tail -n 1").ok().stdout
    assert float(copy.run(f"stat -c %.Y {STAMP}").ok().stdout) > float(newest)
    wait_until(lambda: copy.canary().code == 0, "the canary flies", 4)


@pytest.mark.day
def test_archive(copy: Machine) -> None:
    """Files that were lost and are back from an archive are as they were."""
    copy.run("find /opt/phagescan/scaggr /var/lib/phagescan/static -type f -exec touch {} +").ok()
    copy.highstate().ok()
    copy.highstate().clean()
    assert copy.run(FRACTIONS).stdout != "0\n"
    work(copy, "stop")
    copy.run(f"cd / && tar -cf {ARCHIVE} {SAVED} && rm -r {SAVED} && tar -xf {ARCHIVE}").ok()
    work(copy, "start")
    assert copy.run(FRACTIONS).stdout == "0\n"
    copy.highstate().clean()
    wait_until(lambda: copy.canary().code == 0, "the canary flies", 4)
