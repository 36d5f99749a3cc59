"""supervisord and the camera it runs."""

from testinfra.host import Host

from support.machine import Machine
from support.waiting import wait_until


def status(machine: Machine) -> str:
    """What supervisorctl says of the camera."""
    return machine.run("supervisorctl status celerycam").stdout


def test_package(host: Host) -> None:
    """It is Debian's."""
    assert host.package("supervisor").is_installed


def test_config(host: Host) -> None:
    """The camera's configuration is where the manual says, and root's."""
    config = host.file("/etc/supervisor/conf.d/celerycam.conf")
    assert (config.user, config.group, config.mode) == ("root", "root", 0o644)
    assert config.contains("scaggr.camera.Camera")


def test_service(machine: Machine) -> None:
    """It runs, and starts on boot, under the manual's name."""
    assert machine.is_running("supervisord")
    assert machine.is_enabled("supervisord") or machine.is_enabled("supervisor")


def test_socket(host: Host) -> None:
    """Its socket is root's alone, and it has no port."""
    control = host.file("/var/run/supervisor.sock")
    assert control.is_socket
    assert (control.user, control.mode) == ("root", 0o700)
    assert not [name for name in host.socket.get_listening_sockets() if name.endswith(":9001")]


def test_camera_works(machine: Machine, host: Host) -> None:
    """The camera runs as avuser, and is started again when it dies."""
    wait_until(lambda: "RUNNING" in status(machine), "the camera runs")
    before = status(machine).split("pid ")[1].split(",")[0]
    assert host.process.get(pid=int(before)).user == "avuser"
    machine.run(f"kill -9 {before}").ok()
    wait_until(lambda: "RUNNING" in status(machine) and f"pid {before}," not in status(machine), "another camera runs")


def test_control_is_refused(machine: Machine) -> None:
    """No one but root tells it what to do."""
    assert machine.run("supervisorctl stop celerycam", user="avuser").code != 0
    assert "RUNNING" in status(machine)
