"""The engines: one module each, which holds one subclass of Engine. Nothing of Django or Celery is imported here.

An engine runs in a process of its own (worker/child.py) that has neither network nor rights: it may hang, crash or
print. What a scan opens is opened to read.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

HARMLESS = b"A text.\n"
# Joined when it is needed: Python would write a sum of the halves into the compiled module, which a scanner then takes
# for it.
EICAR = b"".join((rb"X5O!P%@AP[4\PZX54(P^)7CC)7}", b"$EICAR-STANDARD-ANTIVIRUS-", b"TEST-FILE!$H+H*"))
"""What self-tests and the worker's probes scan: their answers are known."""


@dataclass(frozen=True)
class Finding:
    """What an engine found in a sample: whether it is evil (None: not this engine's business), and what else it
    knows.
    """

    infected: bool | None
    name: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


class Engine(ABC):
    """An engine. Whatever its methods raise becomes the error of the verdict."""

    name: ClassVar[str]
    kind: ClassVar[str] = "evilness"
    """Or "metadata": such an engine describes samples and judges none."""
    finds_eicar: ClassVar[bool] = False
    """Whether the EICAR test file is infected whatever signatures there are."""
    sockets: ClassVar[bool] = False
    """Whether `connected` connects to Unix sockets. A scan uses these connections, and cannot make any."""
    programs: ClassVar[bool] = False
    """Whether it starts programs of the system's, which may do no more than it may itself."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the engine's table of worker.toml."""
        self.options = options

    @abstractmethod
    def version(self) -> str:
        """Return the version of the engine and of what it knows."""

    def warning(self) -> str:
        """Return what the engine works without, though it should have it; it is given samples all the same."""
        return ""

    @abstractmethod
    def self_test(self) -> None:
        """Do the engine's work on something whose answer is known; raise when it is another."""

    def connected(self) -> AbstractContextManager[None]:
        """Hold open what a self-test or scan needs and may not open itself. It is called for each, in the process that
        sees no sample; what it raises becomes the error of the verdict.
        """
        return nullcontext()

    @abstractmethod
    def scan(self, path: Path) -> Finding:
        """Look at a sample."""


def engine_class(name: str) -> type[Engine]:
    """Import the module engines.`name`, or of the whole name that has dots, and return the engine that it holds."""
    values = vars(import_module(name if "." in name else f"{__name__}.{name}")).values()
    (found,) = (
        value for value in values if isinstance(value, type) and issubclass(value, Engine) and value is not Engine
    )
    return found
