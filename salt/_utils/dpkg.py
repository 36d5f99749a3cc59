"""What dpkg's database tells of a run that was cut off, without a process."""

import os
import pathlib
import re

UPDATES = "/var/lib/dpkg/updates"
DATABASE = "/var/lib/dpkg/status"
# What `dpkg --audit` calls half done (dpkg(1), package states).
HALF = re.compile(rb"^Status: .* (half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$", re.MULTILINE)


def interrupted() -> bool:
    """Whether a dpkg run is to be completed; until then apt refuses everything."""
    # Entries that were not yet merged into dpkg's database are named by their number.
    if os.path.isdir(UPDATES) and os.listdir(UPDATES):
        return True
    return HALF.search(pathlib.Path(DATABASE).read_bytes()) is not None
