"""What a host may already have before the bundle comes: all of it stays."""

from support.machine import CHECKOUT, Machine

SOURCE = "/etc/apt/sources.list.d/third-party.list"
UNSIGNED = "/var/tmp/unsigned"
# One that does not answer, one without a release file (as with 404), one that is not signed.
SOURCES = f"""
deb [trusted=yes] http://127.0.0.1:9/debian nowhere main
deb file:/var/tmp/nothing stable main
deb file:{UNSIGNED} stable main
"""
SITE = """
server {
    listen 8081;
    server_name other.example;
    location / { return 200 "the other site\\n"; }
}
"""
DATABASES = "/srv/rabbitmq"
BROKER = {
    "rabbitmq-env.conf": f"NODENAME=rabbit@localhost\nMNESIA_BASE={DATABASES}\n",
    "rabbitmq.conf": "listeners.tcp.default = 5672\n",
}
# What is in the way of a run: as it is named, and what puts it there and takes it away.
IN_THE_WAY = {
    "file /etc/systemd/system/gunicorn.service": (
        "printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/gunicorn.service",
        "rm /etc/systemd/system/gunicorn.service",
    ),
    "file /etc/systemd/system/gunicorn.socket": (
        "printf '[Socket]\\nListenStream=/run/theirs.sock\\n' >/etc/systemd/system/gunicorn.socket",
        "rm /etc/systemd/system/gunicorn.socket",
    ),
    "file /etc/init.d/celeryd": ("touch /etc/init.d/celeryd", "rm /etc/init.d/celeryd"),
    "file /etc/logrotate.d/phagescan": ("touch /etc/logrotate.d/phagescan", "rm /etc/logrotate.d/phagescan"),
    "file /etc/nginx/sites-enabled/phagescan": (
        "touch /etc/nginx/sites-enabled/phagescan",
        "rm /etc/nginx/sites-enabled/phagescan",
    ),
    "directory /opt/phagescan": ("mkdir /opt/phagescan && touch /opt/phagescan/manage.py", "rm -r /opt/phagescan"),
    # A group of that name may stay, empty; and it is not useradd that makes one.
    "group avuser": (
        "groupadd avuser && useradd -G avuser ada && sed -i 's/^USERGROUPS_ENAB.*/USERGROUPS_ENAB no/' /etc/login.defs",
        "gpasswd -d ada avuser",
    ),
    "user avscan": ("useradd -m avscan", "userdel avscan"),
    "vhost phage": ("rabbitmqctl add_vhost phage", "rabbitmqctl delete_vhost phage"),
    "role citestsuper": (
        "su postgres -c 'createuser -p 5432 citestsuper'",
        "su postgres -c 'dropuser -p 5432 citestsuper'",
    ),
    "broker user guest": (
        "true",
        f"sed -i 's/^phagescan:$/&\\n  take: [broker user guest]/' {CHECKOUT}/pillar/local.sls",
    ),
}


def move_in(machine: Machine) -> None:
    """Another database and cluster, another site, another broker user and vhost, apt sources that cannot be
    used. The cluster that will be ours, too, is of LATIN1, and the broker is called as ours is.
    """
    machine.run("apt-get -q update").ok()
    packages = "postgresql nginx rabbitmq-server locales"
    machine.run(f"DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends {packages}").ok()
    machine.run("localedef -i de_DE -f ISO-8859-1 de_DE && pg_dropcluster --stop 17 main").ok()
    machine.run("pg_createcluster --encoding=LATIN1 --locale=de_DE --start 17 main").ok()
    machine.run("pg_createcluster --start 17 other").ok()
    machine.run(f"service rabbitmq-server stop && mv /var/lib/rabbitmq/mnesia {DATABASES}").ok()
    machine.put({f"/etc/rabbitmq/{name}": text.encode() for name, text in BROKER.items()})
    machine.run("service rabbitmq-server start").ok()
    for port in (5432, 5433):
        for statement in (
            f"create role neighbour{port} login password 'neighbour-password'",
            f"create database neighbour{port} owner neighbour{port}",
        ):
            machine.run(f'cd / && psql -p {port} -c "{statement}"', user="postgres").ok()
    machine.put({"/etc/nginx/sites-available/other": SITE.encode()})
    machine.run("ln -s ../sites-available/other /etc/nginx/sites-enabled/other && service nginx reload").ok()
    machine.run("rabbitmqctl await_startup").ok()
    machine.run("echo neighbour-password | rabbitmqctl add_user neighbour").ok()
    machine.run("rabbitmqctl add_vhost elsewhere").ok()
    machine.run("rabbitmqctl set_permissions -p elsewhere neighbour '.*' '.*' '.*'").ok()
    for put, _ in IN_THE_WAY.values():
        machine.run(put).ok()
    machine.put({SOURCE: SOURCES.encode(), f"{UNSIGNED}/dists/stable/Release": b"Suite: stable\nComponents: main\n"})


def make_way(machine: Machine) -> None:
    """What was in the way of a run, which has touched nothing, is taken away."""
    machine.run("test ! -e /etc/phagescan && test ! -e /opt/phagescan-venv && ! grep -q avuser: /etc/passwd").ok()
    for _, take in IN_THE_WAY.values():
        machine.run(take).ok()
