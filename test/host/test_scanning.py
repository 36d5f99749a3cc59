"""A file goes in, verdicts come out; what is wrong with a file is said, and the next one is scanned as usual."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests

from support.logins import query
from support.machine import Machine
from support.scanning import EICAR, TEXT, Api, add_trouble, kill, remove_trouble
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.once]

MIB = 1 << 20

BURST = 200

SCAN_TASKS = """scaggr_taskstate where name in
('scaggr.dispatch', 'worker.scan', 'worker.scan_group', 'scaggr.record', 'scaggr.record_group')""".replace("\n", " ")

# What confines an engine is the unit, or without systemd the worker alone.
INITS = pytest.mark.hosts("debian13", "debian13-plain")


@pytest.fixture(scope="module")
def api(machine: Machine) -> Api:
    """The API, once the engines are there."""
    api = Api(machine)
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")
    return api


@pytest.fixture(scope="module")
def trouble(machine: Machine, api: Api) -> Iterator[Api]:
    """The API of a host that has the engine trouble as well."""
    try:
        add_trouble(machine, api)
        yield api
    finally:
        remove_trouble(machine, api)


@pytest.fixture
def page(machine: Machine) -> requests.Session:
    """A browser's session, logged in."""
    session = requests.Session()
    login = f"http://{machine.address}/login/"
    session.get(login, timeout=30)
    session.headers["X-CSRFToken"] = session.cookies["csrftoken"]
    form = {"username": "admin", "password": machine.secrets["admin"]}
    answer = session.post(login, data=form, headers={"Referer": login}, timeout=30)
    assert "sessionid" in session.cookies, answer.text
    session.headers["X-CSRFToken"] = session.cookies["csrftoken"]
    return session


@INITS
def test_eicar(api: Api) -> None:
    """The test file of all scanners is infected, and yara says with what."""
    verdicts = api.scan(EICAR, "eicar.com")
    assert verdicts.keys() == {"yara", "fileinfo"}
    assert verdicts["yara"]["infected"] is True
    assert "EICAR" in verdicts["yara"]["name"]
    assert verdicts["fileinfo"]["infected"] is None
    assert verdicts["fileinfo"]["metadata"]["size"] == str(len(EICAR))


def test_text(api: Api) -> None:
    """A text is clean, and described."""
    verdicts = api.scan(TEXT, "note.txt")
    assert verdicts["yara"]["infected"] is False
    assert "text" in json.dumps(verdicts["fileinfo"]["metadata"])


def test_burst(machine: Machine, api: Api) -> None:
    """A sample costs three task messages, at most three transactions and no new session: one message asks all engines,
    and what waits at the same time is written at the same time.
    """
    ended = f"select count(*) from {SCAN_TASKS} and state = 'SUCCESS'"
    counts = f"select xact_commit, sessions, ({ended}) from pg_stat_database where datname = 'phage'"
    asked = 0  # each question is a transaction and a session

    def ask(statement: str) -> str:
        nonlocal asked
        asked += 1
        return query(machine, statement)

    def answers_waiting() -> int:
        """How many messages wait for the result collector: the announcements of the worker are among them."""
        listed = machine.run("rabbitmqctl -q list_queues -p phage name messages_ready").ok().stdout
        return dict((name, int(ready)) for name, ready in (line.split() for line in listed.splitlines()[1:]))["results"]

    def upload(what: str, count: int) -> None:
        """Hand samples in; the nodes of the master begin when all are there, whatever else the machine does."""
        before = int(ask(ended))
        for node in ("celeryd-master", "celeryd-result"):
            machine.service(node, "stop").ok()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(api.upload, (f"{what} {number}\n".encode() for number in range(count))))
        assert {answer.status_code for answer in answers} == {202}
        machine.service("celeryd-master", "start").ok()
        wait_until(lambda: answers_waiting() >= count, "all are scanned")
        machine.service("celeryd-result", "start").ok()
        wait_until(lambda: int(ask(ended)) >= before + 3 * count, "the camera has seen all")

    upload("before the burst", 8)  # so that each process that stays has a session
    before, asked = [int(number) for number in ask(counts).split("|")], 0
    upload("burst", BURST)
    commits, sessions, messages = (int(now) - then for now, then in zip(ask(counts).split("|"), before, strict=True))
    assert messages == 3 * BURST
    # Those of the two nodes, which have begun again.
    assert sessions - asked <= 8
    assert commits - asked <= 3 * BURST


def test_upload_by_page(machine: Machine, page: requests.Session, api: Api) -> None:
    """A file that the page uploads is scanned likewise."""
    content = EICAR + b"\n"
    url = f"http://{machine.address}/upload/"
    answer = page.post(url, files={"file": ("page.com", content)}, timeout=60)
    assert answer.status_code == 200, answer.text
    verdicts = {verdict["engine"]: verdict for verdict in api.finished(hashlib.sha256(content).hexdigest())["verdicts"]}
    assert verdicts["yara"]["infected"] is True
    assert "EICAR" in page.get(answer.url, timeout=30).text


@pytest.mark.parametrize(
    "query", ["EICAR", "eicar.com", "size=68", "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"]
)
def test_search(api: Api, query: str) -> None:
    """A sample is found by threat, name, key-value and hash."""
    found = api.session.get(f"{api.url}/samples", params={"q": query}, timeout=30).json()
    assert "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f" in json.dumps(found)


@pytest.mark.parametrize("query", ["\x00", "%", "\\", "a" * 10_000, "=", "key=", ":", "'; drop table", "\ud800"])
def test_odd_search(api: Api, query: str) -> None:
    """Whatever is searched for, there is an answer."""
    params = {"q": query.encode("utf-8", "surrogatepass")}
    assert api.session.get(f"{api.url}/samples", params=params, timeout=30).status_code in (200, 400, 414)


def test_stored_once(machine: Machine, api: Api) -> None:
    """A sample that comes again is not stored again, but scanned again; the file is the application's alone."""
    content = b"stored once\n"
    for name in ("first.txt", "second.txt"):
        api.scan(content, name)
    digest = api.upload(content).json()["sha256"]
    found = machine.run(f"find /var/lib/phagescan/samples -name '{digest}*' -printf '%u %m\\n'").ok().stdout.split("\n")
    assert found == ["avuser 600", ""]
    assert machine.run("find /var/lib/phagescan/samples/", user="nobody").code != 0
    assert machine.run("find /var/lib/phagescan/samples/", user="avscan").code != 0
    assert machine.run("find /var/lib/phagescan/samples/incoming -type f").ok().stdout == ""


def test_signatures_are_not_logged(machine: Machine, api: Api) -> None:
    """What a worker fetches a sample with is in no log, neither the master's nor the worker's."""
    api.scan(b"fetched without a trace")
    # As a worker on another host does, by way of the proxy.
    planted = {"Authorization": "Signature planted"}
    assert requests.get(f"http://{machine.address}/fetch/", headers=planted, timeout=30).status_code == 403
    logs = "/var/log/nginx /var/log/phagescan /var/log/phagescan-worker"
    wait_until(
        lambda: machine.run(f"grep -r 'GET /fetch/ ' {logs}").code == 0, "nginx has logged it, after it answered"
    )
    assert (
        machine.run(f"journalctl --quiet 2>/dev/null | grep -r 'Signature\\|planted\\|/fetch/[^ ]' - {logs}").stdout
        == ""
    )


@pytest.mark.parametrize("how", ["raw", "zip"])
def test_download(machine: Machine, page: requests.Session, api: Api, how: str) -> None:
    """A sample leaves as an attachment only, and not without a login."""
    digest = api.upload(EICAR, "eicar.com").json()["sha256"]
    url = f"http://{machine.address}/samples/{digest}/{how}/"
    answer = page.get(url, timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if how == "raw":
        assert answer.content == EICAR
        assert answer.headers["Content-Type"] == "application/octet-stream"
    else:
        assert EICAR not in answer.content
        (entry,) = zipfile.ZipFile(io.BytesIO(answer.content)).infolist()
        assert entry.flag_bits & 1, "not encrypted"
    assert "/login/" in requests.get(url, timeout=30, allow_redirects=False).headers["Location"]


@pytest.mark.parametrize("path", ["samples", "samples/" + "0" * 64, "status"])
def test_no_token(api: Api, path: str) -> None:
    """Without a token, or with a wrong one, the API says 401 as JSON."""
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}):
        answer = requests.get(f"{api.url}/{path}", headers=headers, timeout=30, allow_redirects=False)
        assert answer.status_code == 401
        assert answer.json()["detail"]


def test_unknown_sample(api: Api) -> None:
    """A sample that is not there is 404, as JSON."""
    answer = api.session.get(f"{api.url}/samples/{'0' * 64}", timeout=30)
    assert answer.status_code == 404
    assert answer.json()["detail"]


def test_openapi(api: Api) -> None:
    """The API describes itself."""
    document = api.session.get(f"{api.url}/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.")
    assert {"/api/samples", "/api/samples/{sha256}", "/api/status"} <= document["paths"].keys()


def test_empty_file(api: Api) -> None:
    """An empty file is refused, and why."""
    answer = api.upload(b"")
    assert answer.status_code == 400
    assert "empty" in answer.json()["detail"]


@pytest.mark.parametrize("size", [100 * MIB + 1, 110 * MIB])
def test_too_big(api: Api, size: int) -> None:
    """A file over the limit is refused: by the application in words, and by nginx before that when it is far over."""
    answer = api.upload(bytes(size))
    assert answer.status_code == 413
    assert size > 101 * MIB or "100" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"--x", b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhalf", b"\x00" * 1000],
)
def test_broken_multipart(api: Api, body: bytes) -> None:
    """A body that is not what it says is refused, as JSON."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = api.session.post(f"{api.url}/samples", data=body, headers=headers, timeout=30)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\windows\\system.ini",
        "/etc/passwd",
        "a\x1b[31mb",
        "\u202egnp.exe",
        "x" * 300 + ".exe",
        ".",
        " ",
    ],
)
def test_odd_name(machine: Machine, api: Api, name: str) -> None:
    """A name is only a name: the sample is taken, lies under its hash, and is shown without path or control
    characters.
    """
    content = f"odd name {name!r}\n".encode()
    answer = api.upload(content, name)
    # Django takes a part whose name is a dot for no file.
    assert answer.status_code == (400 if name == "." else 202), answer.text
    if answer.status_code == 202:
        shown = api.sample(answer.json()["sha256"])["name"]
        assert not re.search(r"[/\\\x00-\x1f\u202a-\u202e]", shown), repr(shown)
        assert len(shown) <= 255
    assert api.scan(b"after " + content, "after.txt")["yara"]["infected"] is False


def test_very_long_name(api: Api) -> None:
    """A name of 10,000 characters is refused in words."""
    answer = api.upload(b"long name\n", "n" * 10_000 + ".txt")
    assert answer.status_code == 400
    assert "name" in answer.json()["detail"]


def test_archive_bomb(api: Api) -> None:
    """Of an archive that would expand to gigabytes it is said that this was too much to look into."""
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros", "w", force_zip64=True) as entry,
    ):
        for _ in range(1024):
            entry.write(bytes(2 * MIB))
    verdicts = api.scan(bomb.getvalue(), "bomb.zip")
    assert (verdicts["yara"]["outcome"], verdicts["yara"]["infected"]) == ("error", None)
    assert "phagescan:unpack:size" in verdicts["yara"]["error"]
    assert verdicts["fileinfo"]["outcome"] == "described"


@INITS
@pytest.mark.parametrize(
    ("order", "outcome", "error"),
    [
        ("hang", "timed_out", "5 s"),
        ("crash", "error", "SIGSEGV"),
        ("memory", "error", "memory"),
        ("raise", "error", "trouble"),
    ],
)
def test_trouble(trouble: Api, order: str, outcome: str, error: str) -> None:
    """An engine that hangs, crashes or hoards costs its own verdict, and nothing else."""
    verdicts = trouble.scan(f"{order} please".encode())
    assert verdicts["trouble"]["outcome"] == outcome
    assert error in verdicts["trouble"]["error"]
    assert verdicts["yara"]["outcome"] == "clean"
    assert verdicts["fileinfo"]["outcome"] == "described"
    after = trouble.scan(f"after {order}".encode())
    assert {name: verdict["outcome"] for name, verdict in after.items()} == {
        "trouble": "clean",
        "yara": "clean",
        "fileinfo": "described",
    }


def test_poison(machine: Machine, trouble: Api) -> None:
    """A sample whose worker was killed three times is set aside, and scanning goes on."""
    digest = trouble.upload(b"hang until the worker is killed").json()["sha256"]

    def attempts() -> str:
        return query(
            machine,
            "select attempts from scaggr_verdict join scaggr_scanrun on run_id = scaggr_scanrun.id"
            f" where engine = 'trouble' and sample_id = '{digest}'",
        )

    for attempt in ("1", "2", "3"):
        wait_until(partial(lambda attempt: attempts() == attempt, attempt), f"attempt {attempt} has begun")
        kill(machine, "celeryd", "/run/celeryd/celeryd.pid")
    verdicts = {verdict["engine"]: verdict for verdict in trouble.finished(digest)["verdicts"]}
    assert (verdicts["trouble"]["outcome"], verdicts["trouble"]["error"]) == ("error", "poison")
    assert verdicts["yara"]["outcome"] == "clean"
    assert trouble.scan(b"after the poison")["trouble"]["outcome"] == "clean"


@INITS
def test_engines_have_no_network(trouble: Api) -> None:
    """An engine reaches nothing: not even the broker of its own host."""
    verdict = trouble.scan(b"network please")["trouble"]
    assert verdict["outcome"] == "clean", verdict
    assert verdict["metadata"]["network"]
