"""The manual's command `celeryd`, which Celery no longer has: a worker, started with the options of old.

celeryd --config=masterceleryconfig -E -B -l info --hostname=master.master
"""

import argparse
import contextlib
import os
import socket
import sys
from importlib import import_module
from typing import Any

from celery.apps import worker as celery_worker
from celery.bin.celery import celery
from celery.signals import worker_process_shutdown
from celery.utils.nodenames import NODENAME_DEFAULT, NODENAME_SEP
from celery.worker import state
from kombu.asynchronous import set_event_loop

from shared.conf import ConfError


class Worker(celery_worker.Worker):
    """A worker whose node has the very name that was asked for.

    Celery wants names like celery@host and makes celery@master.master out of the manual's master.master.
    """

    hostname: str

    def on_before_init(self, **kwargs: Any) -> None:
        """Take Celery's addition away before anything uses the name."""
        self.hostname = self.hostname.removeprefix(NODENAME_DEFAULT + NODENAME_SEP)
        self.app.node = self.hostname
        super().on_before_init(**kwargs)

    def on_consumer_ready(self, consumer: Any) -> None:
        """From now on tasks are taken."""
        super().on_consumer_ready(consumer)
        tell_ready()

    def stop(self, *args: Any, **options: Any) -> None:
        """End; and at once when idle: Celery would keep the heart beating, and look every half second for the end."""
        if self.hub and not (state.reserved_requests or self.hub._ready):  # noqa: SLF001  # tasks, and what is to be said of them
            set_event_loop(None)
        super().stop(*args, **options)


def tell_ready() -> None:
    """Tell systemd, where it waits for that, that the service is started (sd_notify(3))."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(b"READY=1", "\0" + address[1:] if address[0] == "@" else address)


@worker_process_shutdown.connect
def leave(exitcode: int | None, **_: Any) -> None:
    """End a process of the pool whose results were read; billiard would have it wait a second more
    (Worker._do_exit).
    """
    os._exit(exitcode or 0)


def main() -> None:
    """Run the worker that the arguments describe until it is stopped."""
    parser = argparse.ArgumentParser(prog="celeryd", add_help=False, allow_abbrev=False)
    parser.add_argument("--config", default="masterceleryconfig")
    known, options = parser.parse_known_args()
    os.environ["CELERY_CONFIG_MODULE"] = known.config
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        # Celery would wrap what goes wrong here into a traceback.
        import_module("shared.app")
        celery.main(["--app=shared.app", "worker", *options], prog_name="celeryd", auto_envvar_prefix="CELERY")
    except ConfError as error:
        sys.exit(f"celeryd: {error}")


if __name__ == "__main__":
    main()
