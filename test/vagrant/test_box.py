"""The box that `make box` makes of the Debian archive, and which one `vagrant up` takes."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import tree
from tree import ROOT

pytestmark = pytest.mark.xdist_group("box")

KEYS = "usr/share/rubygems-integration/*/gems/*/keys", "usr/lib/*/rubygems-integration/*/gems/*/keys", "opt/**/keys"
OVF = {"": "http://schemas.dmtf.org/ovf/envelope/1", "ovf": "http://schemas.dmtf.org/ovf/envelope/1"}
OVF["rasd"] = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
SIZE = 20 << 30
PARTITION = 1 << 20
# VirtualBox as far as Vagrant asks it before it imports a box, and Docker without images.
PROGRAMS = {
    "VBoxManage": """
        echo "$*" >>"$CALLS"
        case "$*" in
        --version) echo 7.0.14r161095 ;;
        "import -n "*) echo ' 1: Suggested VM name "debian13"' ;;
        import*) exit 1 ;;
        esac""",
    "docker": "exit 0",
}


def ran(*command: str | Path, **more: str) -> str:
    """What a program says."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Boxes:
    """Boxes in a folder, unpacked beside it."""

    def __init__(self, folder: Path) -> None:
        """Each under its provider's name."""
        self.folder = folder
        self.catalog = json.loads((folder / "debian13.json").read_text())
        self.unpacked = folder.parent / "unpacked"
        for provider in ("libvirt", "virtualbox"):
            with tarfile.open(folder / f"{provider}.box") as box:
                box.extractall(self.unpacked / provider, filter="data")

    def read(self, provider: str, name: str) -> str:
        """A text in a box."""
        return (self.unpacked / provider / name).read_text()

    def image(self, provider: str, name: str) -> dict:
        """What qemu-img says of a disk."""
        return json.loads(ran("qemu-img", "info", "--output=json", self.unpacked / provider / name))

    def raw(self) -> Path:
        """The disk as a machine sees it; most of it takes no room."""
        raw = self.unpacked / "raw"
        if not raw.exists():
            ran("qemu-img", "convert", "-O", "raw", self.unpacked / "libvirt" / "box.img", raw)
        return raw

    def debugfs(self, command: str) -> str:
        """What debugfs answers about the file system."""
        return ran("debugfs", "-R", command, f"{self.raw()}?offset={PARTITION}")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Boxes:
    """Boxes of a root of two files, in a folder whose name has what an address has not."""
    folder = tmp_path_factory.mktemp("small") / 'a "box" 100% ü\''
    (folder.parent / "root").mkdir()
    (folder.parent / "root/vmlinuz").write_text("kernel\n")
    (folder.parent / "root/initrd.img").write_text("initrd\n")
    folder.mkdir()
    ran(ROOT / "test/vagrant/pack", folder.parent / "root", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["debian13.json", "libvirt.box", "virtualbox.box"]
    return Boxes(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Boxes:
    """The boxes that `make box` makes."""
    checkout = tmp_path_factory.mktemp("made") / "checkout"
    tree.copy(checkout)
    ran("make", "-C", checkout, "box")
    assert sorted(path.name for path in (checkout / "box").iterdir()) == [
        "debian13.json",
        "libvirt.box",
        "virtualbox.box",
    ]
    return Boxes(checkout / "box")


def test_catalog(small: Boxes) -> None:
    """The catalog has the version and, for each provider, where its box is, and its sum."""
    assert small.catalog["name"] == "phagescan/debian13"
    (version,) = small.catalog["versions"]
    assert version["version"].startswith("13.20")
    assert [provider["name"] for provider in version["providers"]] == ["libvirt", "virtualbox"]
    for provider in version["providers"]:
        path = Path(unquote(urlsplit(provider["url"]).path))
        assert path == small.folder / f"{provider['name']}.box"
        assert provider["checksum_type"] == "sha256"
        assert provider["checksum"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert json.loads(small.read(provider["name"], "metadata.json"))["provider"] == provider["name"]
        assert "type: 'rsync'" in small.read(provider["name"], "Vagrantfile")


def test_libvirt(small: Boxes) -> None:
    """libvirt's box is box.img, qcow2, of the size that its metadata has."""
    metadata = json.loads(small.read("libvirt", "metadata.json"))
    disk = small.image("libvirt", "box.img")
    assert disk["format"] == metadata["format"] == "qcow2"
    assert disk["virtual-size"] == metadata["virtual_size"] << 30 == SIZE


def test_virtualbox(small: Boxes) -> None:
    """VirtualBox's box is box.ovf and the disk that it names; disk and controller, network and BIOS fit each other."""
    ovf = ElementTree.fromstring(small.read("virtualbox", "box.ovf"))
    (file,), (disk,) = ovf.findall("References/File", OVF), ovf.findall("DiskSection/Disk", OVF)
    name = {f"{{{OVF['ovf']}}}{attribute}": attribute for attribute in ("id", "href", "fileRef", "capacity", "format")}
    attributes = {name[key]: value for part in (file, disk) for key, value in part.items() if key in name}
    assert attributes["id"] == attributes["fileRef"]
    assert attributes["format"].endswith("#streamOptimized")
    image = small.image("virtualbox", attributes["href"])
    assert image["virtual-size"] == int(attributes["capacity"]) == SIZE
    assert image["format-specific"]["data"]["create-type"] == "streamOptimized"
    items = {
        item.findtext("rasd:ResourceType", namespaces=OVF): {
            part.tag.partition("}")[2]: part.text for part in item.findall("*")
        }
        for item in ovf.iterfind(".//VirtualHardwareSection/Item", OVF)
    }
    assert set(items) == {"3", "4", "10", "17", "20"}  # processors, memory, network, disk, SATA
    assert items["17"]["Parent"] == items["20"]["InstanceID"]
    assert items["10"]["Connection"] == "NAT"


def test_disk(small: Boxes) -> None:
    """A BIOS finds GRUB, GRUB a file system by its label, and in that what the root had."""
    with small.raw().open("rb") as disk:
        start = disk.read(PARTITION)
    assert start[510:512] == b"\x55\xaa"
    assert b"GRUB" in start[:440]
    assert start[446] == 0x80  # the first partition is active, …
    assert int.from_bytes(start[454:458], "little") * 512 == PARTITION  # … and begins after GRUB
    assert "phagescan" in small.debugfs("stats -h")
    assert small.debugfs("cat /vmlinuz") == "kernel\n"


class Checkout:
    """A checkout in which one calls `vagrant up`."""

    def __init__(self, folder: Path) -> None:
        """With providers that go no further than the box."""
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copy(ROOT / "Vagrantfile", folder)
        for name, text in PROGRAMS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.bin / name).chmod(0o755)

    def up(self, provider: str, **environment: str) -> str:
        """What Vagrant says, and what it asked VirtualBox for."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PHAGESCAN_", "VAGRANT"))}
        calls = self.folder / "calls"
        calls.write_text("")
        kept |= {"PATH": f"{self.bin}:{os.environ['PATH']}", "CALLS": str(calls), "VAGRANT_CHECKPOINT_DISABLE": "1"}
        ended = subprocess.run(
            ["vagrant", "up", f"--provider={provider}"],
            cwd=self.folder,
            env={**kept, "VAGRANT_HOME": str(self.folder / "home"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ended.returncode == 1, ended.stdout
        return ended.stdout + calls.read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Without any box."""
    return Checkout(tmp_path)


def test_nothing_to_start_from(checkout: Checkout) -> None:
    """Where there is no box, or no image, `vagrant up` asks no registry and says how to make it."""
    said = checkout.up("virtualbox")
    assert "There is no box yet: make it with `make box`" in said
    assert "import" not in said
    assert "https://" not in said
    said = checkout.up("virtualbox", PHAGESCAN_BOX_URL="/some.box")
    assert "PHAGESCAN_BOX_URL is set, and PHAGESCAN_BOX is not" in said
    assert "make it with `test/images/build vagrant`" in checkout.up("docker")


def test_box_that_was_made(checkout: Checkout, small: Boxes) -> None:
    """`vagrant up` takes the box that `make box` has made, and its sum is right; a later one replaces it."""
    shutil.copytree(small.folder, checkout.folder / "box")
    said = checkout.up("virtualbox")
    version = small.catalog["versions"][0]["version"]
    assert f"Successfully added box 'phagescan/debian13' (v{version}) for 'virtualbox'" in said
    assert f"/phagescan-VAGRANTSLASH-debian13/{version}/virtualbox/box.ovf --vsys" in said
    catalog = checkout.folder / "box/debian13.json"
    catalog.write_text(catalog.read_text().replace(version, "14"))
    assert "/14/virtualbox/box.ovf --vsys" in checkout.up("virtualbox")


def test_box_of_others(checkout: Checkout, small: Boxes) -> None:
    """PHAGESCAN_BOX and PHAGESCAN_BOX_URL name another, whether or not there is ours."""
    (checkout.folder / "box").mkdir()
    shutil.copy(small.folder / "debian13.json", checkout.folder / "box")
    other = checkout.folder / "an other.box"
    shutil.copy(small.folder / "virtualbox.box", other)
    said = checkout.up("virtualbox", PHAGESCAN_BOX="mine/other", PHAGESCAN_BOX_URL=str(other))
    assert "/mine-VAGRANTSLASH-other/0/virtualbox/box.ovf --vsys" in said
    assert "debian13/" not in said


def shipped(name: str) -> list[Path]:
    """Keys that come with Vagrant."""
    return [path for pattern in KEYS for path in Path("/").glob(f"{pattern}/{name}")]


@pytest.mark.day
def test_contents(made: Boxes) -> None:
    """The box has Vagrant's user and key and a kernel; no Python, and nothing of the machine that made it."""
    keys = {line for path in shipped("vagrant.pub*") for line in path.read_text().splitlines()}
    assert set(made.debugfs("cat /home/vagrant/.ssh/authorized_keys").splitlines()) == keys
    for path in ("/vmlinuz", "/initrd.img", "/usr/sbin/sshd", "/usr/bin/sudo", "/usr/bin/rsync"):
        assert "Inode:" in made.debugfs(f"stat {path}"), path
    assert "Inode:" not in made.debugfs("stat /usr/bin/python3")
    assert "ssh_host" not in made.debugfs("ls -p /etc/ssh")
    assert made.debugfs("cat /etc/machine-id").strip() in ("", "uninitialized")
    assert made.debugfs("cat /etc/hostname") == "debian13\n"


@contextmanager
def booted(*arguments: str | Path) -> Iterator[int]:
    """A machine, all of it emulated, and the port that leads to its ssh."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = ["qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1024", "-display", "none", "-no-reboot"]
    network = f"user,id=nat,hostfwd=tcp:127.0.0.1:{port}-:22"
    with subprocess.Popen([*command, "-netdev", network, *arguments]) as machine:
        try:
            yield port
        finally:
            machine.terminate()


@pytest.mark.long
@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_boots(made: Boxes, provider: str, tmp_path: Path) -> None:
    """The disk boots with the hardware of each provider, Vagrant's key opens it, and all units are well."""
    key = tmp_path / "key"
    shutil.copy(shipped("vagrant")[0], key)
    key.chmod(0o600)
    folder = made.unpacked / provider
    hardware = {
        "libvirt": ("-drive", f"file={folder}/box.img,if=virtio,snapshot=on", "-device", "virtio-net-pci,netdev=nat"),
        "virtualbox": ("-M", "q35", "-drive", f"file={folder}/box.vmdk,snapshot=on", "-device", "e1000,netdev=nat"),
    }
    options = {"BatchMode": "yes", "StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}
    options |= {"IdentitiesOnly": "yes", "ConnectTimeout": "60", "LogLevel": "ERROR"}
    ask = (
        "sudo id -u; systemctl is-system-running --wait; . /etc/os-release; echo $ID $VERSION_ID; getent hosts _gateway"
    )
    with booted(*hardware[provider]) as port:
        ssh = ["ssh", "-i", str(key), *(f"-o{name}={value}" for name, value in options.items()), "-p", str(port)]
        for _ in range(200):
            answer = subprocess.run([*ssh, "vagrant@127.0.0.1", ask], capture_output=True, text=True)
            if answer.returncode != 255:
                break
            time.sleep(3)
        assert answer.returncode == 0, answer
        assert answer.stdout.split()[:4] == ["0", "running", "debian", "13"]
