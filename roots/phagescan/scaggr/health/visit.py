"""A visit, as a user makes it: a file goes in through the proxy, its verdict comes out, and nothing is left of it."""

import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.contrib.auth import get_user_model

from scaggr.models import ApiToken, Engine, ScanRun
from scaggr.scanning.engines import engine_queues
from shared import clock
from shared.broker import BROKER_ERRORS, depths
from shared.text import brief

VISITOR = "canary-{}"
VISITORS = "^canary-[0-9a-f]{32}$"
"""Names of the users that visits are made as: each is there for one visit."""

LONGEST = timedelta(minutes=10)
"""A user that is older, or of the future, is left of a command that was killed. No token is good for longer."""

TIMEOUT = 10.0
PAUSE = 0.2
BUSY = 429

STATUS = "salt-call --local phagescan.status"


class VisitError(Exception):
    """A step of the visit failed."""

    def __init__(self, step: str, what: str, look: str) -> None:
        """Take the step, `upload` or `verdict`, what was wrong with it, and what to look at."""
        super().__init__(what)
        self.step, self.what, self.look = step, what, look


@dataclass(frozen=True)
class Door:
    """Where the proxy is asked: the address that it listens at here, as the site of a URL; with TLS it has to show the
    certificate of this SHA-256 fingerprint.
    """

    address: str
    port: int
    url: str
    fingerprint: str = ""

    def __str__(self) -> str:
        """Name the place, and the site there."""
        return f"{self.address}:{self.port} for {urlsplit(self.url).netloc}"

    def ask(self, step: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, bytes]:
        """Ask for a page; return its status and body."""
        there = urlsplit(self.url)
        try:
            with closing(http.client.HTTPConnection(self.address, self.port)) as connection:
                plain = connection.sock = socket.create_connection((self.address, self.port), TIMEOUT)
                if self.fingerprint:
                    connection.sock = self.secured(plain, there.hostname or "", step)
                connection.request(method, path, body or None, {"Host": there.netloc, **headers})
                answer = connection.getresponse()
                return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise VisitError(step, f"at {self} does not answer ({brief(error)})", "service nginx status") from error

    def secured(self, plain: socket.socket, name: str, step: str) -> ssl.SSLSocket:
        """Speak TLS with whoever has our certificate: whether others trust it, and until when, is no matter here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secure = context.wrap_socket(plain, server_hostname=name)
        shown = hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != self.fingerprint.replace(":", "").lower():
            secure.close()
            raise VisitError(step, f"at {self} shows another certificate than ours", STATUS)
        return secure


def visit(door: Door, timeout: float) -> Iterator[tuple[str, str]]:
    """Hand a harmless file in and wait for its verdict; yield each step that is done, with a note on it."""
    with visitor() as (name, token):
        sha256 = upload(door, name, token, timeout)
        yield "upload", ""
        yield "verdict", verdict(door, sha256, token, timeout)


@contextmanager
def visitor() -> Iterator[tuple[str, str]]:
    """Have a user without rights and password, and a token of its own; afterwards they are gone, with what they handed
    in, and so is what was left by a command that was killed.
    """
    users = get_user_model().objects
    recent = (clock.now() - LONGEST, clock.horizon())
    for old in users.filter(username__regex=VISITORS).exclude(date_joined__range=recent):
        forget(old)
    user = users.create_user(VISITOR.format(uuid4().hex))
    try:
        token = ApiToken.make(user)
        ApiToken.objects.filter(user=user).update(expires_at=clock.now() + LONGEST)
        yield user.username, token
    finally:
        forget(user)


def forget(user: Any) -> None:
    """Remove a visitor, and the samples that it alone has handed in."""
    for run in ScanRun.objects.filter(submitted_by=user).select_related("sample"):
        sample, path = run.sample, run.sample.path
        run.delete()
        if not sample.runs.exists():
            sample.delete()
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise VisitError(
                    "upload", f"left {path} ({brief(error)})", "salt-call --local state.highstate"
                ) from error
    user.delete()


def upload(door: Door, name: str, token: str, timeout: float) -> str:
    """Hand a file in, which is like no other; return its SHA-256."""
    content = f"A canary of Phagescan: {name}\n".encode()
    head = f'--{name}\r\nContent-Disposition: form-data; name="file"; filename="{name}.txt"\r\n\r\n'.encode()
    headers = bearer(token) | {"Content-Type": f"multipart/form-data; boundary={name}"}
    body = head + content + f"\r\n--{name}--\r\n".encode()
    asked = {"headers": headers, "body": body}
    answer = json_of(door, "upload", *patient(door, "upload", "POST", "/api/samples", timeout, **asked))
    return answer["sha256"]


def verdict(door: Door, sha256: str, token: str, timeout: float) -> str:
    """Wait for the verdict; return why there need be none, or nothing."""
    deadline = time.monotonic() + timeout
    while True:
        path = f"/api/samples/{sha256}"
        sample = json_of(door, "verdict", *patient(door, "verdict", "GET", path, timeout, headers=bearer(token)))
        if sample["status"] == "done":
            failed = [f"{said['engine']}: {said['error']}" for said in sample["verdicts"] if said["error"]]
            if failed and len(failed) == len(sample["verdicts"]):
                raise VisitError("verdict", f"failed ({brief('; '.join(failed))})", STATUS)
            return ""
        if not Engine.objects.filter(live=True).exists():
            return "no worker has announced an engine, samples wait"
        if time.monotonic() >= deadline:
            break
        time.sleep(PAUSE)
    given = {said["engine"] for said in sample["verdicts"] if said["outcome"] != "pending"}
    missing = sorted({said["engine"] for said in sample["verdicts"]} - given)
    if before := waiting(missing):
        return f"{before} scans wait before it"
    what = f"of {', '.join(missing)} did not come within {timeout:g} s" if missing else "was never asked for"
    raise VisitError("verdict", what, STATUS)


def waiting(engines: list[str]) -> int:
    """Tell how many scans wait for engines: then they are busy, and not broken."""
    try:
        return sum(messages for messages, _ in depths(engine_queues(Engine.objects.filter(name__in=engines))).values())
    except BROKER_ERRORS:
        return 0


def bearer(token: str) -> dict[str, str]:
    """Return the header that a token is shown in."""
    return {"Authorization": f"Bearer {token}"}


def patient(door: Door, step: str, method: str, path: str, timeout: float, **asked: Any) -> tuple[int, bytes]:
    """Ask again while the proxy says that it is asked too much."""
    deadline = time.monotonic() + timeout
    while (answer := door.ask(step, method, path, **asked))[0] == BUSY and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return answer


def json_of(door: Door, step: str, status: int, body: bytes) -> dict[str, Any]:
    """Return what the API says, or say who has answered in its place, and what to look at."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    ours = isinstance(said, dict) and bool({"detail", "sha256"} & said.keys())
    if ours and status in (200, 202):
        return said
    if status == 400 and not ours:
        raise VisitError(step, f"at {door}: Django does not answer for that name", "phagescan:allowed_hosts in pillar")
    # 500 is nginx's where the application does not say whether the upload is allowed; its own 500 is JSON.
    if status in (500, 502, 503, 504) and not ours:
        raise VisitError(step, f"at {door}: gunicorn does not answer (status {status})", "service gunicorn status")
    if not ours:
        look = "nginx:sites:phagescan:server_name and listen in pillar"
        raise VisitError(step, f"at {door} is another site, or a redirect (status {status})", look)
    look = "/var/log/phagescan/gunicorn-error.log" if status >= 500 else STATUS
    raise VisitError(step, f"at {door}: status {status}, {brief(said.get('detail', ''))}", look)
