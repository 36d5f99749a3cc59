"""A Django project that is not one, for the module and for the states."""

import os
import pwd
import stat
from pathlib import Path
from typing import Any


def site(folder: Path) -> dict[str, Any]:
    """A project of one file, in a virtualenv of one distribution."""
    (folder / "root" / "app").mkdir(parents=True)
    (folder / "root" / "app" / "models.py").write_text("first\n")
    (folder / "env" / "lib" / "python3.11" / "site-packages" / "django-5.2.dist-info").mkdir(parents=True)
    user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "root": str(folder / "root"),
        "virtualenv": str(folder / "env"),
        "user": user,
        "environment": {"UNIT": "environment"},
        "database": "shop",
        "port": 5432,
    }


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)
