"""vagrant up gives the same host, with the docker provider."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import tree
from support.converged import make_image
from tree import ROOT

# One worker of pytest-xdist: what is made once serves all of them.
pytestmark = [pytest.mark.xdist_group("vagrant"), pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]

OUTPUT = ROOT / "test" / ".output" / "vagrant"


class Vagrant:
    """vagrant in a copy of the checkout, with a home of its own."""

    def __init__(self, folder: Path) -> None:
        """Copy what git has and does not ignore."""
        self.folder = folder / "checkout"
        tree.copy(self.folder)
        self.before = self.files()
        self.said = ""
        self.environment = {
            **os.environ,
            "VAGRANT_HOME": str(folder / "home"),
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "PHAGESCAN_HOST_TRUST": "1",
        }

    def files(self) -> list[str]:
        """What lies in the checkout, vagrant's own folder apart."""
        found = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return sorted(name for name in found if not name.startswith(".vagrant/"))

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run vagrant."""
        ran = subprocess.run(
            ["vagrant", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with (OUTPUT / "vagrant.txt").open("a") as log:
            log.write(f"vagrant {' '.join(arguments)}\n{ran.stdout}\n")
        assert not check or ran.returncode == 0, ran.stdout[-6000:]
        return ran.stdout

    def published(self, port: int) -> str:
        """Where a port of the guest is."""
        container = (self.folder / ".vagrant/machines/default/docker/id").read_text().strip()
        ran = subprocess.run(["docker", "port", container, f"{port}/tcp"], capture_output=True, text=True, check=True)
        return ran.stdout.split()[0]


@pytest.fixture(scope="module")
def vagrant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vagrant]:
    """The host, up and converged, and destroyed in the end."""
    make_image("vagrant")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    vagrant = Vagrant(tmp_path_factory.mktemp("vagrant"))
    try:
        vagrant.said = vagrant("up", "--provider=docker")
        yield vagrant
    finally:
        vagrant("destroy", "--force", check=False)


def login_page(said: str) -> str:
    """The address that Vagrant's last line names; it leads to the application's login page."""
    (address,) = re.findall(r"Phagescan Master, from this machine: (\S+)$", said.strip().splitlines()[-1])
    page = requests.get(address, timeout=30, verify=False)  # the guest's own certificate
    assert page.status_code == 200
    assert "csrfmiddlewaretoken" in page.text
    return address


def test_ports(vagrant: Vagrant) -> None:
    """Both ports are forwarded, on loopback only, and the address that is printed works."""
    port = login_page(vagrant.said).split(":")[-1].strip("/")
    forwarded = [vagrant.published(guest) for guest in (80, 443)]
    assert [address.split(":")[0] for address in forwarded] == ["127.0.0.1"] * 2
    assert f"127.0.0.1:{port}" in forwarded


def test_canary(vagrant: Vagrant) -> None:
    """One gets in by ssh, and the canary flies."""
    assert "canary passed" in vagrant("ssh", "--command", "sudo salt-call --local phagescan.canary")


def test_checkout_is_not_littered(vagrant: Vagrant) -> None:
    """The guest's credentials stay in the guest: nothing is added to the developer's checkout."""
    assert vagrant.files() == vagrant.before


def test_change_is_brought_in(vagrant: Vagrant) -> None:
    """After an edit `vagrant rsync` and `vagrant provision` apply it, and say where the page is now; what the guest has
    of its own stays.
    """
    own = ("ssh", "--command", "sudo sha256sum /vagrant/pillar/credentials.sls /vagrant/pillar/local.sls")
    vagrant("ssh", "--command", "sudo touch -a /vagrant/pillar/local.sls")
    before = vagrant(*own)
    vagrant("rsync")
    assert vagrant(*own) == before
    local = vagrant.folder / "pillar" / "local.sls"
    local.write_text("phagescan: {scan: {max_size: 101}, tls: {self_signed: true}}\n")
    vagrant("rsync")
    said = vagrant("provision")
    assert login_page(said) == f"https://localhost:{vagrant.published(443).split(':')[1]}/"
    assert "102m" in vagrant("ssh", "--command", "cat /etc/nginx/sites-available/phagescan")
    assert vagrant(*own).splitlines()[0] == before.splitlines()[0]


def test_destroy(vagrant: Vagrant) -> None:
    """Nothing is left of it."""
    vagrant("destroy", "--force")
    assert "not created" in vagrant("status").replace("not_created", "not created")
