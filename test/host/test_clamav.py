"""The engine clamav: a pillar line turns it on. Without signatures it reports a problem, with some it scans."""

from collections.abc import Iterator

import pytest

from support.machine import Machine
from support.packages import installed, only_recommended
from support.scanning import EICAR, Api
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.hosts("debian13", day=("debian13-plain",))]

TURNED_ON = "pillar='{phagescan: {engines: {clamav: {}}}}'"
SIGNATURES = "/var/lib/clamav/test.ndb"
PATTERN = b"a pattern of ours, harmless but for clamd"
MIB = 1 << 20


@pytest.fixture(scope="module")
def api(machine: Machine) -> Iterator[Api]:
    """The API of a host that has the engine clamav, and no signatures yet."""
    api = Api(machine)
    try:
        machine.highstate(TURNED_ON).ok()
        yield api
    finally:
        machine.run(f"rm -f {SIGNATURES}").ok()
        machine.service("clamav-daemon", "stop")
        machine.highstate().ok()
        wait_until(lambda: api.engines() == {"yara", "fileinfo"}, "the engine clamav is gone")


def test_no_signatures(machine: Machine, api: Api) -> None:
    """Without signatures the host is well, the status says what is missing, and the other engines scan."""

    def problem() -> str:
        engines = api.session.get(f"{api.url}/status", timeout=60).json()["engines"]
        return "".join(engine["problem"] for engine in engines if engine["name"] == "clamav")

    assert "no signatures yet" in wait_until(problem, "the engine clamav is announced")
    verdicts = api.scan(EICAR + b"without clamav")
    assert verdicts.keys() == {"yara", "fileinfo"}
    assert verdicts["yara"]["infected"] is True
    assert machine.is_running("clamav-freshclam")
    machine.highstate(TURNED_ON).clean()
    if machine.spec.systemd:
        assert machine.run("systemctl --failed --no-legend").ok().stdout == ""


def test_signatures(machine: Machine, api: Api) -> None:
    """A file of signatures is all it takes, and where systemd runs, no one has to start clamd."""
    machine.put({SIGNATURES: b"Phagescan.Test:0:*:" + PATTERN.hex().encode() + b"\n"})
    if not machine.spec.systemd:
        machine.highstate(TURNED_ON).ok()
    wait_until(lambda: "clamav" in api.engines(), "the engine clamav works")
    verdict = api.scan(b"Here is " + PATTERN)["clamav"]
    assert (verdict["infected"], verdict["name"]) == (True, "Phagescan.Test.UNOFFICIAL")
    assert api.scan(b"Here is no pattern of ours.\n")["clamav"]["infected"] is False
    machine.highstate(TURNED_ON).clean()


@pytest.mark.parametrize("end", [b"", PATTERN])
def test_large(api: Api, end: bytes) -> None:
    """A sample that is larger than Debian's limits is scanned to its end."""
    verdict = api.scan(bytes(30 * MIB) + end)["clamav"]
    assert verdict["outcome"] == ("infected" if end else "clean"), verdict


@pytest.mark.usefixtures("api")
def test_packages(machine: Machine) -> None:
    """The engine brings clamd and freshclam, and not what they recommend: it asks clamd itself."""
    assert {"clamav-daemon", "clamav-freshclam"} <= installed(machine)
    assert only_recommended(machine) == set()
