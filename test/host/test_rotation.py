"""A credential that is changed in pillar is changed everywhere, under load, and no one notices."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from support.load import assert_nothing_lost, load
from support.logins import broker_login, database_login
from support.machine import CREDENTIALS, Machine
from support.results import Highstate, Result

pytestmark = [pytest.mark.clone("rotate"), pytest.mark.hosts("debian13", day=("debian13-plain",))]

LOGINS: dict[str, Callable[..., Result]] = {
    "master": lambda machine, **overrides: broker_login(machine, "master", **overrides),
    "worker": lambda machine, **overrides: broker_login(machine, "worker", **overrides),
    "database": database_login,
}
CHANGED = (*LOGINS, "key")


def rotate(machine: Machine, *names: str) -> Highstate:
    """Put new values into the credentials, and converge."""
    text = machine.read(CREDENTIALS)
    for name in names:
        text = text.replace(machine.secrets[name], uuid4().hex + uuid4().hex)
    machine.put({CREDENTIALS: text.encode()}, mode=0o600)
    return machine.highstate().ok()


@pytest.mark.parametrize(
    "names",
    [
        *(pytest.param((name,), marks=[pytest.mark.once, pytest.mark.day], id=name) for name in CHANGED),
        pytest.param(CHANGED, id="all"),
    ],
)
def test_rotation(machine: Machine, names: tuple[str, ...]) -> None:
    """Under load credentials are changed: no request fails, no task is lost, the old ones are of no use."""
    old = dict(machine.secrets)
    with load(machine) as made:
        highstate = rotate(machine, *names)
    assert_nothing_lost(machine, made)
    proofs = [str(state["comment"]) for key, state in highstate.states.items() if key.endswith("_|-rotated")]
    for name in names:
        if name in LOGINS:
            assert LOGINS[name](machine).code == 0
            assert LOGINS[name](machine, password=old[name]).code != 0
            # The state of PostgreSQL's roles logs in itself.
            proved = [proof for proof in proofs if "the new password lets in, the old one is refused" in proof]
            assert proved or name == "database", proofs
        else:  # the old key signed the session
            assert made.page_of_the_user().status_code == 302
    machine.canary().ok()
    machine.highstate().clean()
