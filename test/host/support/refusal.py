"""A run that is refused: it says why, and touches nothing."""

from support.machine import CHECKOUT, Machine

TOUCHED = "/etc/logrotate.d/phagescan"


def assert_stopped(machine: Machine, arguments: str, key: str, secret: str = "") -> None:
    """The run fails, says why in one line that shows no secret, and has changed nothing."""
    stopped = machine.run(f"cd {CHECKOUT} && salt-call --local state.highstate {arguments}")
    assert stopped.code != 0, str(stopped)
    lines = [line for line in f"{stopped.stdout}{stopped.stderr}".splitlines() if key in line]
    assert lines, str(stopped)
    assert all(len(line) > len(key) + 10 for line in lines[:1])
    assert "Traceback" not in f"{stopped.stdout}{stopped.stderr}"
    if secret:
        assert secret not in f"{stopped.stdout}{stopped.stderr}"
    assert machine.run(f"test -e {TOUCHED}").code != 0
    newer = machine.run(
        "find /etc /opt/phagescan /opt/phagescan-venv /var/lib/phagescan -xdev -newer /root/marker ! -name marker"
    )
    assert newer.stdout.replace("/etc\n", "").replace("/etc/logrotate.d\n", "") == ""
