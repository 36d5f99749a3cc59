"""A credential that is changed in pillar is changed everywhere, under load, and nobody notices."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

import pytest
import requests

from support.logins import broker_login, database_login, sign_in
from support.machine import CREDENTIALS, Machine
from support.results import Highstate, Result
from support.scanning import Api, outcomes
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("rotate"), pytest.mark.hosts("debian13", "debian13-plain")]

LOGINS: dict[str, Callable[..., Result]] = {
    "master": lambda machine, **overrides: broker_login(machine, "master", **overrides),
    "worker": lambda machine, **overrides: broker_login(machine, "worker", **overrides),
    "database": database_login,
}
CHANGED = (*LOGINS, "key")
ENOUGH = 25  # uploads and pages before a rotation, and again after it
READERS = 10  # of pages: more and more of them, so that Django connects to the database all the time


class Load:
    """Uploads and pages, one after the other in each of a few threads, as long as it is wanted."""

    def __init__(self, machine: Machine) -> None:
        """Log in."""
        self.machine, self.api = machine, Api(machine)
        self.mark = f"rotation-{uuid4().hex}"
        self.session, _ = sign_in(machine, machine.secrets["admin"])
        assert self.page_of_the_user().status_code == 200
        self.uploads: list[int] = []
        self.pages: list[int] = []
        self.over = threading.Event()
        self.pool = ThreadPoolExecutor()
        self.running: list[Future[None]] = []

    def begin(self, work: Callable[[], None]) -> None:
        """Do this until it is over; what goes wrong with it ends the load."""
        self.running.append(self.pool.submit(work))
        self.running[-1].add_done_callback(lambda _: self.over.set())

    def upload(self) -> None:
        """Hand in one sample after another."""
        while not self.over.is_set():
            name = f"{self.mark}-{uuid4().hex}"
            self.uploads.append(self.api.upload(name.encode(), name).status_code)

    def page(self) -> None:
        """Look at one page after another, soon with another reader beside. Without a session it is the login page."""
        for number in count():
            if self.over.is_set():
                return
            path = ("/", "/login/", "/status/")[number % 3]
            answer = requests.get(f"http://{self.machine.address}{path}", cookies=self.session.cookies, timeout=60)
            self.pages.append(answer.status_code)
            if number == READERS and len(self.running) < READERS:
                self.begin(self.page)

    def page_of_the_user(self) -> requests.Response:
        """What a page answers to the session: itself, or the way to the login."""
        address = f"http://{self.machine.address}/"
        return requests.get(address, cookies=self.session.cookies, allow_redirects=False, timeout=60)

    def wait(self) -> None:
        """Wait until there was enough of it."""
        uploads, pages = len(self.uploads) + ENOUGH, len(self.pages) + ENOUGH
        wait_until(lambda: (len(self.uploads) > uploads and len(self.pages) > pages) or self.over.is_set(), "load", 600)


@contextmanager
def load(machine: Machine) -> Iterator[Load]:
    """Load before, during and after what is done meanwhile."""
    made = Load(machine)
    with made.pool:
        made.begin(made.upload)
        made.begin(made.page)
        try:
            made.wait()
            yield made
            made.wait()
        finally:
            made.over.set()
    for each in made.running:
        each.result()


def rotate(machine: Machine, *names: str) -> Highstate:
    """Put new values into the credentials, and converge."""
    text = machine.read(CREDENTIALS)
    for name in names:
        text = text.replace(machine.secrets[name], uuid4().hex + uuid4().hex)
    machine.put({CREDENTIALS: text.encode()}, mode=0o600)
    return machine.highstate().ok()


def assert_nothing_lost(machine: Machine, made: Load) -> None:
    """Every request was answered well, and every sample has one verdict of each engine."""
    assert Counter(made.uploads) == {202: len(made.uploads)}
    assert Counter(made.pages) == {200: len(made.pages)}
    with (machine.output / "rotation.txt").open("a") as log:
        log.write(f"{len(made.uploads)} uploads, {2 * len(made.uploads)} scans, {len(made.pages)} pages\n")
    assert outcomes(machine, made.mark) == f"fileinfo described, yara clean|{len(made.uploads)}"


@pytest.mark.parametrize("names", [*((name,) for name in CHANGED), CHANGED], ids="+".join)
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
            assert [proof for proof in proofs if "the new password lets in, the old one is refused" in proof], proofs
        else:  # the old key signed the session
            assert made.page_of_the_user().status_code == 302
    machine.canary().ok()
    machine.highstate().clean()
