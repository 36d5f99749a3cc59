"""Uploads and pages all the time while something is done to a host: what was answered, and that nothing was lost."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

import requests

from support.logins import sign_in
from support.machine import Machine
from support.scanning import Api, outcomes
from support.waiting import wait_until

ENOUGH = 25  # uploads and pages before what is done, and again after it
READERS = 10  # of pages: more and more of them, so that Django connects to the database all the time
PAUSE = 0.3  # seconds between two requests of one thread: what is done meanwhile needs processors as well


class Load:
    """Uploads and pages, one after the other in each of a few threads, as long as it is wanted."""

    def __init__(self, machine: Machine) -> None:
        """Log in."""
        self.machine, self.api = machine, Api(machine)
        self.mark = f"load-{uuid4().hex}"
        self.session, _ = sign_in(machine, machine.secrets["admin"])
        assert self.page_of_the_user().status_code == 200
        self.uploads: list[int] = []
        self.pages: list[int] = []
        self.slowest = 0.0
        self.over = threading.Event()
        self.pool = ThreadPoolExecutor()
        self.running: list[Future[None]] = []

    def begin(self, work: Callable[[], None]) -> None:
        """Do this until it is over; what goes wrong with it ends the load."""
        self.running.append(self.pool.submit(work))
        self.running[-1].add_done_callback(lambda _: self.over.set())

    def note(self, answers: list[int], answer: requests.Response) -> None:
        """Keep what a request was answered. One that gets no answer ends the load."""
        answers.append(answer.status_code)
        self.slowest = max(self.slowest, answer.elapsed.total_seconds())

    def upload(self) -> None:
        """Hand in one sample after another."""
        while not self.over.wait(PAUSE):
            name = f"{self.mark}-{uuid4().hex}"
            self.note(self.uploads, self.api.upload(name.encode(), name))

    def page(self) -> None:
        """Look at one page after another, soon with another reader beside. Without a session it is the login page."""
        for number in count():
            if self.over.wait(PAUSE):
                return
            address = f"http://{self.machine.address}{('/', '/login/', '/status/')[number % 3]}"
            self.note(self.pages, requests.get(address, cookies=self.session.cookies, timeout=60))
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


def assert_nothing_lost(machine: Machine, made: Load, restarted: bool = False) -> None:
    """Every request was answered well, and every sample has one verdict of each engine. Where gunicorn was `restarted`,
    nginx may have shown that it is down meanwhile.
    """
    down = [each for each in (*made.uploads, *made.pages) if each in (500, 502)]
    if restarted:
        for listed in (made.uploads, made.pages):
            listed[:] = [each for each in listed if each not in (500, 502)]
    uploads = len(made.uploads)
    with (machine.output / "load.txt").open("a") as log:
        log.write(
            f"{uploads} uploads, {2 * uploads} scans, {len(made.pages)} pages, {len(down)} while gunicorn was down;"
            f" {made.slowest:.1f} s the slowest\n"
        )
    answers = Counter(made.uploads), Counter(made.pages)
    assert answers == ({202: uploads}, {200: len(made.pages)}), answers
    verdicts = outcomes(machine, made.mark)
    assert verdicts == f"fileinfo described, yara clean|{uploads}", verdicts
