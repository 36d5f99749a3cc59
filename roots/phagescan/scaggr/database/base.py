"""The backend `scaggr.database`. Django looks for this module by this name."""

import contextlib
import time
from typing import Any

from django.db.backends.postgresql import base

from scaggr.conf import ConfError, load

PATIENCE = 5.0
"""Seconds from the password's change in the database to that in master.toml: both are of one highstate."""

PAUSE = 0.1


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects with the login that master.toml has now, which may be newer than this process."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect. A refused login is tried again, with what master.toml says then."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return super().get_new_connection(conn_params)
            except base.Database.OperationalError as error:
                if "authentication failed" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE)
            with contextlib.suppress(ConfError):  # in the instant in which it is replaced it is not readable
                login = load("master")["database"]
                conn_params = {**conn_params, "user": login["user"], "password": login["password"]}
