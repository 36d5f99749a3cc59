"""What commands and highstates on a test host did."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Result:
    """How a command on the host ended."""

    command: str
    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        """All there is to know, as a failed assertion shows it."""
        return f"{self.command}\nexit code {self.code}\n{self.stdout}{self.stderr}"

    def ok(self) -> "Result":
        """Itself, or the failure."""
        assert self.code == 0, str(self)
        return self


@dataclass
class Change:
    """One state of a run that changed something, would change something, or failed."""

    key: str
    identifier: str
    name: str
    function: str
    result: bool | None
    changes: Any
    comment: str

    def __str__(self) -> str:
        """One line of a report."""
        return f"{self.identifier} ({self.function} {self.name}): {self.result} {self.changes} {self.comment}"


@dataclass
class Highstate:
    """What a highstate did."""

    ran: Result
    states: dict[str, dict[str, Any]]

    def select(self, wanted: Callable[[dict[str, Any]], bool]) -> list[Change]:
        """The states for which this holds, in the order they ran."""
        found = []
        for key, state in sorted(self.states.items(), key=lambda item: item[1].get("__run_num__", 0)):
            if wanted(state):
                module, identifier, name, function = key.split("_|-")
                found.append(
                    Change(
                        key,
                        state.get("__id__", identifier),
                        state.get("name", name),
                        f"{module}.{function}",
                        state["result"],
                        state["changes"],
                        str(state["comment"]),
                    )
                )
        return found

    @property
    def changed(self) -> list[Change]:
        """States that changed something, or would."""
        return self.select(lambda state: bool(state["changes"]) or state["result"] is None)

    @property
    def failed(self) -> list[Change]:
        """States that failed."""
        return self.select(lambda state: state["result"] is False)

    def ok(self) -> "Highstate":
        """Itself, or what failed."""
        assert self.ran.code == 0, "\n".join(map(str, self.failed)) or str(self.ran)
        assert self.states
        assert not self.failed
        return self

    def clean(self) -> "Highstate":
        """Itself, or what failed or changed."""
        self.ok()
        assert not self.changed, "\n".join(map(str, self.changed))
        return self

    def text(self) -> str:
        """What the changed states said, for looking up what they named."""
        return "\n".join(map(str, self.changed))
