"""Why an upload is not taken, for those who sent it."""

import errno
import logging

from django.conf import settings

logger = logging.getLogger(__name__)

FULL = {errno.ENOSPC, errno.EDQUOT}


class SubmitError(Exception):
    """A file cannot be taken; the message is for people."""

    def __init__(self, message: str, status: int) -> None:
        """Take what to say, and the HTTP status that says the same."""
        super().__init__(message)
        self.status = status


class TooBigError(SubmitError):
    """A file is bigger than this server takes."""

    def __init__(self) -> None:
        """Say how big one may be."""
        super().__init__(f"The file is too big: at most {settings.MAX_SAMPLE_SIZE / 2**20:.4g} MiB are taken.", 413)


class NoRoomError(SubmitError):
    """There is no room for an upload."""

    def __init__(self) -> None:
        """Say who can do something about it."""
        super().__init__(
            "The server has no room left for files. Nothing was stored; its operator has to make room.", 507
        )


def not_kept(error: OSError) -> SubmitError:
    """Return what a client reads when a file could not be written; the log has the rest."""
    logger.error("an upload was not kept: %s", error)
    return NoRoomError() if error.errno in FULL else SubmitError("The server could not keep the upload.", 500)
