"""Whether the application has its samples: a look at where they lie, at the newest ones, and at some others."""

import os
import secrets
from collections.abc import Collection
from pathlib import Path

from django.conf import settings

from scaggr.models import Sample
from shared.parts import DegradedError, PartError

LOOKED_AT = 50
"""How many of the newest samples, and how many others."""

REPAIR = "run salt-call --local state.highstate"
READ_ONLY = "lies on a file system that is mounted for reading only: see dmesg, and mount it again"


def samples() -> str:
    """Say whether samples can be received, and read again. PartError where they cannot, DegradedError where some are
    gone.
    """
    for folder in (settings.SAMPLE_ROOT, settings.FILE_UPLOAD_TEMP_DIR):
        if not usable(folder):
            raise PartError(f"{folder} {fault(folder)}")
    newest = Sample.objects.all()[:LOOKED_AT]
    others = Sample.objects.filter(sha256__gte=secrets.token_hex(32)).order_by("sha256")[:LOOKED_AT]
    return look_at([sample.path for sample in {*newest, *others}])


def look_at(paths: Collection[Path]) -> str:
    """Say how these samples are."""
    gone, count = [], len(paths)
    for path in sorted(paths):
        try:
            path.stat()
        except FileNotFoundError:
            gone.append(path)
            continue
        except OSError:
            raise PartError(f"{path.parent} {fault(path.parent)}") from None
        if not usable(path.parent) or not os.access(path, os.R_OK):
            bad = path.parent if not usable(path.parent) else path
            raise PartError(f"{bad} {fault(bad)}")
    if gone:
        said = f"of {count} samples that were looked at the files of {len(gone)} are gone, such as {gone[0]}"
        raise DegradedError(f"{said}: is something mounted over them?")
    return f"{count} were looked at, and are there" if count else "there are none yet"


def usable(folder: Path | str) -> bool:
    """Tell whether samples can be put into a folder, and found there."""
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def fault(path: Path | str) -> str:
    """Say why a place is of no use, and what to do."""
    try:
        found = os.stat(path)
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return READ_ONLY
    except FileNotFoundError:
        return f"is gone: {REPAIR}"
    except OSError as error:
        return f"is not reached ({error.strerror}): {REPAIR}"
    return f"is not the application's (uid {found.st_uid}, mode {found.st_mode & 0o7777:o}): {REPAIR}"
