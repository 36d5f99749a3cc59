"""What a host may already have before the bundle comes: all of it stays."""

from support.machine import Machine

SOURCE = "/etc/apt/sources.list.d/third-party.list"
SITE = """
server {
    listen 8081;
    server_name other.example;
    location / { return 200 "the other site\\n"; }
}
"""


def move_in(machine: Machine) -> None:
    """Another database and cluster, another site, another broker user and vhost, an apt source that does not answer."""
    machine.run("apt-get -q update").ok()
    packages = "postgresql nginx rabbitmq-server"
    machine.run(f"DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends {packages}").ok()
    machine.run("pg_createcluster --start 17 other").ok()
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
    machine.put({SOURCE: b"deb [trusted=yes] http://127.0.0.1:9/debian nowhere main\n"})
