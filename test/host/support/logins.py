"""Logging in at broker, database and web page, as the application and people do."""

import json
import re
from typing import Any

import requests

from support.machine import Machine

BROKER = """
import json, sys, tomllib
from kombu import Connection
with open(f"/etc/phagescan/{sys.argv[1]}.toml", "rb") as settings:
    broker = tomllib.load(settings)["broker"] | json.loads(sys.argv[2])
with Connection(hostname=broker["host"], port=broker["port"], userid=broker["user"], password=broker["password"],
                virtual_host=broker["vhost"], connect_timeout=10) as connection:
    connection.connect()
    options = {"durable": False, "auto_delete": True, "exclusive": True}
    with connection.SimpleQueue("login-test", queue_opts=options) as queue:
        queue.put({"hello": "broker"})
        print(queue.get(timeout=10).payload["hello"])
"""
DATABASE = """
import json, sys
import psycopg
where = {"host": "127.0.0.1", "dbname": "phage", "user": "citestsuper", "connect_timeout": 10}
with psycopg.connect(**where, require_auth="scram-sha-256", **json.load(sys.stdin)) as connection:
    print(connection.execute("select 'a=>1'::hstore -> 'a'").fetchone()[0])
"""


def broker_login(machine: Machine, side: str, **overrides: str) -> Any:
    """Log in with a side's settings, and send oneself a message."""
    machine.put({"/root/login.py": BROKER.encode()})
    return machine.run(f"/opt/phagescan-venv/bin/python /root/login.py {side} '{json.dumps(overrides)}'")


def ctl(machine: Machine, command: str) -> Any:
    """Ask rabbitmqctl."""
    return json.loads(machine.run(f"rabbitmqctl -q --formatter json {command}").ok().stdout)


def database_login(machine: Machine, password: str | None = None) -> Any:
    """Log in over TCP as the manual's role, and use the extension."""
    given = machine.secrets["database"] if password is None else password
    machine.put({"/root/login.py": DATABASE.encode()})
    login = json.dumps({"password": given})
    return machine.run(f"echo '{login}' | /opt/phagescan-venv/bin/python /root/login.py")


def query(machine: Machine, statement: str, database: str = "phage") -> str:
    """Ask the database as the superuser of the cluster."""
    return machine.run(f'cd / && psql -XAtd {database} -c "{statement}"', user="postgres").ok().stdout.strip()


def sign_in(
    machine: Machine,
    password: str,
    path: str = "/",
    user: str = "admin",
    client: requests.Session | None = None,
) -> tuple[requests.Session, requests.Response]:
    """Fill in the login form."""
    session = client or requests.Session()
    form = session.get(f"http://{machine.address}{path}", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
    assert token
    target = re.search(r'name="next" value="([^"]*)"', form.text)
    answer = session.post(
        form.url,
        {
            "csrfmiddlewaretoken": token[1],
            "username": user,
            "password": password,
            "next": target[1] if target else path,
        },
        headers={"Referer": form.url},
        timeout=30,
    )
    return session, answer
