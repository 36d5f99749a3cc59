"""Keeps off the terminal what Python tells Salt's authors of their own modules, and Salt turns on: no operator's
matter.
"""

import warnings


def setup_handlers() -> bool:
    """Salt asks log handler modules for their handlers by this name, once its own filters are set; here it is a
    filter.
    """
    warnings.filterwarnings(
        "ignore", "'crypt' is deprecated", DeprecationWarning
    )  # Debian 12's Python, by salt.utils.pycrypto
    return False
