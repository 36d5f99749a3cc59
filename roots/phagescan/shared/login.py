"""Tries logins at the broker: `python -m shared.login` reads tables `broker` as the TOML files have them.

On standard input is a list of them in JSON; on standard output one of what the broker said to each, "" where it let us
in.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from amqp.exceptions import AccessRefused
from kombu import Connection

from shared.celeryconf import broker_options_of, broker_ssl_of, broker_url_of

TIMEOUT = 5


def said(login: Mapping[str, Any]) -> str:
    """Open a connection as Celery does, close it, and return what the broker said against it."""
    options = {"ssl": broker_ssl_of(login), "transport_options": broker_options_of(login), "connect_timeout": TIMEOUT}
    try:
        with Connection(broker_url_of(login), **options) as connection:
            connection.connect()
    except AccessRefused as error:
        return f"refused: {error.reply_text}"
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return " ".join(str(error).split()) or type(error).__name__
    return ""


if __name__ == "__main__":
    json.dump([said(each) for each in json.load(sys.stdin)], sys.stdout)
