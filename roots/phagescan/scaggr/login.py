"""Tries logins: `python -m scaggr.login` reads tables `broker` and `database` as the TOML files have them.

On standard input is a list of [kind, table] in JSON; on standard output one of what the server said to each, ""
where it let us in. Nothing of Django is imported here: a worker tries its login at the broker as well.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import psycopg
from amqp.exceptions import AccessRefused
from kombu import Connection

from scaggr.celeryconf import broker_ssl_of, broker_url_of

TIMEOUT = 5


def broker(login: Mapping[str, Any]) -> None:
    """Open a connection as Celery does, and close it."""
    with Connection(broker_url_of(login), ssl=broker_ssl_of(login), connect_timeout=TIMEOUT) as connection:
        connection.connect()


def database(login: Mapping[str, Any]) -> None:
    """Open a connection as Django does, and close it."""
    where = {"host": login["host"], "port": login["port"], "dbname": login["name"], "connect_timeout": TIMEOUT}
    psycopg.connect(**where, user=login["user"], password=login["password"]).close()


def said(kind: str, login: Mapping[str, Any]) -> str:
    """Try one login, and return what the server said against it."""
    try:
        {"broker": broker, "database": database}[kind](login)
    except AccessRefused as error:
        return f"refused: {error.reply_text}"
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        text = " ".join(str(error).split()) or type(error).__name__
        # psycopg has no SQLSTATE of a connection that failed. What a server says in another language is no refusal.
        return f"refused: {text}" if "authentication failed" in text else text
    return ""


if __name__ == "__main__":
    json.dump([said(*each) for each in json.load(sys.stdin)], sys.stdout)
