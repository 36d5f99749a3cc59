"""No secret is an argument of a process, in Salt's output, in a log, in a cache or in a file others can read."""

from collections.abc import Iterator

import pytest

from machine import Machine

SAMPLER = """
while [ -e /run/sampling ]; do
    for process in /proc/[0-9]*; do tr '\\0' ' ' <$process/cmdline; echo; done >>/run/arguments 2>/dev/null
done
"""


@pytest.fixture(scope="module")
def patterns(machine: Machine) -> Iterator[str]:
    """A file with every secret, for grep."""
    machine.put({"/root/patterns": "\n".join(machine.secrets.values()).encode()}, mode=0o600)
    yield "/root/patterns"
    machine.run("rm /root/patterns")


def test_not_in_arguments(machine: Machine, patterns: str) -> None:
    """While a highstate sets every password anew, no process has one among its arguments."""
    machine.run("echo other-password | rabbitmqctl change_password phagemasteruser").ok()
    machine.run("rabbitmqctl -q delete_user phageworkeruser").ok()
    machine.run("su - avuser -c 'echo other-password | python manage.py ensure_admin admin'").ok()
    machine.run('su postgres -c "psql -c \\"alter role citestsuper password \'other-password\'\\""').ok()
    machine.put({"/root/sampler": SAMPLER.encode()})
    machine.run("touch /run/sampling")
    machine.container.exec_run(["/bin/sh", "/root/sampler"], detach=True)
    highstate = machine.highstate().ok()
    canary = machine.canary()
    machine.run("rm /run/sampling")
    assert canary.code == 0
    assert "user phagemasteruser" in highstate.text()
    assert int(machine.run("grep -c salt-call /run/arguments").stdout) > 1
    assert machine.run(f"grep -cF -f {patterns} /run/arguments").stdout.strip() == "0"
    machine.run("rm /run/arguments")


def test_not_in_output(machine: Machine) -> None:
    """Nor did any run so far print one."""
    said = "".join(path.read_text() for path in machine.output.glob("*.txt") if path.name != "report.txt")
    assert said
    assert not [name for name, secret in machine.secrets.items() if secret in said]


def test_not_in_logs(machine: Machine, patterns: str) -> None:
    """No log and no cache holds one; /var/lib/rabbitmq and the database keep hashes."""
    assert machine.run(f"grep -rlaF -f {patterns} /var/log /var/cache /var/tmp /tmp /run").stdout == ""
    for place in ("/var/lib/rabbitmq", "/var/lib/phagescan", "/var/lib/dpkg"):
        assert machine.run(f"grep -rlaF -f {patterns} {place}").stdout == ""


def test_not_in_journal(machine: Machine, patterns: str) -> None:
    """Nor does the journal, command lines included."""
    if machine.spec.systemd:
        assert machine.run(f"journalctl -o export --all | grep -caF -f {patterns}").stdout.strip() == "0"
    else:
        assert machine.run("test -e /run/systemd/journal").code != 0


def test_not_in_public_files(machine: Machine, patterns: str) -> None:
    """No file that everybody can read holds one."""
    found = machine.run(f"find / -xdev -type f -perm -004 -size -4096k -exec grep -laF -f {patterns} {{}} +")
    assert found.stdout == ""


def test_stand_where_they_should(machine: Machine, patterns: str) -> None:
    """The only files with a secret are the credentials and the application's settings."""
    found = machine.run(
        f"find / -xdev -type f -size -4096k ! -path {patterns} -exec grep -laF -f {patterns} {{}} +"
    ).stdout.split()
    assert sorted(found) == [
        "/etc/phagescan/master.toml",
        "/etc/phagescan/worker.toml",
        "/srv/phagescan-master/pillar/credentials.sls",
    ]


def test_environment_is_private(machine: Machine) -> None:
    """Another user sees no environment of ours with a secret in it."""
    own = machine.run("for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ; done 2>/dev/null").stdout
    assert not [name for name, secret in machine.secrets.items() if secret in own]
