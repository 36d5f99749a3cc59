"""Uploads that come in numbers, that there is no room for, and that a Mac has named."""

from collections.abc import Iterator

import pytest

from support.logins import query
from support.machine import Machine
from support.scanning import Api
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.once]

SAMPLES = "/var/lib/phagescan/samples"
MIB = 1 << 20
# Samples whose bytes went with the file system.
GONE = "select sha256 from scaggr_sample where size % 1048576 = 0"
RUNS = f"select id from scaggr_scanrun where sample_id in ({GONE})"
FORGET = (
    f"delete from scaggr_verdict where run_id in ({RUNS})",
    f"delete from scaggr_scanrun where sample_id in ({GONE})",
    "delete from scaggr_sample where size % 1048576 = 0",
)


@pytest.fixture(scope="module")
def api(machine: Machine) -> Api:
    """The API."""
    return Api(machine)


@pytest.fixture
def small(machine: Machine, api: Api) -> Iterator[Machine]:
    """A host whose samples lie on a small file system."""

    def restart() -> None:
        machine.service("gunicorn", "restart").ok()
        wait_until(lambda: api.session.get(f"{api.url}/status", timeout=30).status_code == 200, "Django answers")

    machine.run(f"mount -t tmpfs -o size=40m,mode=0700 tmpfs {SAMPLES} && mkdir -m 0700 {SAMPLES}/incoming").ok()
    machine.run(f"chown -R avuser:avuser {SAMPLES}").ok()
    restart()
    yield machine
    machine.run(f"umount -l {SAMPLES}").ok()
    restart()
    for statement in FORGET:
        query(machine, statement)


def files(machine: Machine) -> list[str]:
    """The names of all that is kept."""
    return machine.run(f"find {SAMPLES} -type f -printf '%f\\n' | sort").ok().stdout.split()


def test_all_of_a_request(machine: Machine, api: Api) -> None:
    """Two files are two samples, and where one cannot be taken none is."""
    kept = files(machine)
    answer = api.session.post(f"{api.url}/samples", files=[("file", ("a", b"first")), ("file", ("b", b"second"))])
    assert answer.status_code == 202, answer.text
    digests = [sample["sha256"] for sample in answer.json()["samples"]]
    assert answer.json()["sha256"] == digests[0]
    assert files(machine) == sorted({*kept, *digests})
    assert {api.finished(digest)["name"] for digest in digests} == {"a", "b"}
    kept = files(machine)
    answer = api.session.post(f"{api.url}/samples", files=[("file", ("c", b"third")), ("file", ("d", b""))])
    assert (answer.status_code, answer.json()["detail"]) == (400, "d is empty: none is taken.")
    assert files(machine) == kept


def test_too_many_files(machine: Machine, api: Api) -> None:
    """It is said how many there may be, and none is kept."""
    kept = files(machine)
    answer = api.session.post(f"{api.url}/samples", files=[("file", (f"f{n}", str(n))) for n in range(150)], timeout=60)
    assert answer.status_code == 400
    assert "may have 100 files" in answer.json()["detail"]
    assert files(machine) == kept


def test_a_full_disk(small: Machine, api: Api) -> None:
    """What goes in goes in; then it is said that there is no room, and nothing of it stays; what is smaller goes in."""
    codes = [api.upload(bytes([size]) * size * MIB).status_code for size in (10, 20, 30, 30, 5)]
    assert codes == [202, 202, 507, 507, 202]
    # By the port nothing is asked beforehand: the file is written until there is no room.
    small.put({"/root/token": f"Authorization: {api.session.headers['Authorization']!s}".encode()}, mode=0o600)
    ask = "curl --silent -H @/root/token -F file=@- http://127.0.0.1:9000/api/samples"
    small.run("command -v curl || apt-get install --yes --no-install-recommends curl").ok()
    assert "no room left" in small.run(f"head -c 20000000 /dev/zero | {ask}").ok().stdout
    assert len(files(small)) == 3
    assert small.run(f"find {SAMPLES}/incoming -type f").ok().stdout == ""


@pytest.mark.parametrize("searched", ["\u00fcmlaut", "u\u0308mlaut"])
def test_a_name_of_a_mac(api: Api, searched: str) -> None:
    """It is found, however it is written."""
    assert api.upload(b"named by a Mac", "u\u0308mlaut.txt").status_code == 202
    found = api.session.get(f"{api.url}/samples", params={"q": searched}, timeout=30).json()
    assert "\u00fcmlaut.txt" in {sample["name"] for sample in found["samples"]}
