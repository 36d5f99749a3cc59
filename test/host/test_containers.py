"""Nothing hides in a container: what is inside a sample is scanned, and what was not looked into is said."""

import base64
import gzip
import io
import json
import zipfile
from collections.abc import Iterator

import pytest

from support.machine import Machine
from support.scanning import EICAR, TEXT, Api
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.hosts("debian13", day=("debian12", "debian13-plain"))]

RULE = 'rule Hidden { strings: $a = "[CLAMAV]" $b = "CLAMessageBoxA" condition: any of them }'
FILES = "/usr/share/clamav-testfiles"


@pytest.fixture(scope="module")
def api(machine: Machine) -> Iterator[Api]:
    """The API of a host with a rule for the program that is in all of clamav-testfiles."""
    machine.run("apt-get -qq update && apt-get -qq install --no-install-recommends clamav-testfiles").ok()
    pillar = {"phagescan": {"engines": {"yara": {"rules": {"hidden": RULE}}}}}
    machine.highstate(f"pillar='{json.dumps(pillar)}'").ok()
    api = Api(machine)
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    yield api
    machine.highstate().ok()
    machine.run("apt-get -qq purge clamav-testfiles").ok()


def zipped(name: str, data: bytes) -> bytes:
    """Return a zip with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def test_all_kinds(machine: Machine, api: Api) -> None:
    """Of the 44 containers of one program the program is found in 29."""
    names = machine.run(f"ls {FILES}").ok().stdout.split()
    assert len(names) == 44
    found = []
    for name in names:
        content = base64.b64decode(machine.run(f"base64 {FILES}/{name}").ok().stdout)
        if api.scan(content, name)["yara"]["name"] == "Hidden":
            found.append(name)
    assert len(found) >= 29, found


def test_verdict(api: Api) -> None:
    """The sample is infected and says where; what is beyond a limit is named, and the next sample is scanned."""
    hidden = api.scan(zipped("inner.zip", zipped("eicar.com", EICAR)), "outer.zip")["yara"]
    assert (hidden["infected"], hidden["metadata"]["member"]) == (True, "inner.zip/eicar.com")
    bomb = api.scan(gzip.compress(bytes(600 << 20)), "zeros.gz")["yara"]
    assert (bomb["infected"], bomb["outcome"]) == (None, "error")
    assert "phagescan:unpack:size" in bomb["error"]
    clean = api.scan(zipped("a.txt", TEXT), "clean.zip")["yara"]
    assert (clean["infected"], clean["metadata"]["members"]) == (False, "1")
