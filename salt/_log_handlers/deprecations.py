"""Keeps off the terminal what Python tells Salt's authors of their own modules, and Salt turns on: no operator's
matter.
"""

import warnings


def setup_handlers() -> bool:
    """Salt asks log handler modules for their handlers by this name, once its own filters are set; here it is a
    filter.
    """
    for message in (
        "'crypt' is deprecated",  # Debian 12's Python, by salt.utils.pycrypto
        "'count' is passed as positional argument",  # Debian 13's, by salt.modules.file.replace
    ):
        warnings.filterwarnings("ignore", message, DeprecationWarning)
    return False
