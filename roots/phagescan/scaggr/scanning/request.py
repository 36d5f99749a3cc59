"""Asks node master.master to dispatch runs."""

import logging
from collections.abc import Collection
from uuid import UUID

from shared.confirms import Message, publish_all
from shared.tasks import DISPATCH

logger = logging.getLogger(__name__)


def request_dispatch(run_ids: Collection[UUID]) -> bool:
    """Ask for runs to be dispatched. If the broker is away, scaggr.refresh_engines asks again."""
    _, error = publish_all([Message(DISPATCH, {"run_ids": [str(run_id) for run_id in run_ids]})])
    if error:
        logger.warning("runs %s wait until the broker is back: %s", ", ".join(map(str, run_ids)), error)
    return error is None
