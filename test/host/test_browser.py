"""The pages in a browser: what people do, and what they see while they do it."""

import http.client
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
from selenium.webdriver.common.keys import Keys

from support.browser import DESKTOP, PHONE, Browser
from support.machine import Machine

pytestmark = [pytest.mark.clone("scan"), pytest.mark.once]

# In two halves, so that no scanner takes this file for what it tests.
EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + r"-ANTIVIRUS-TEST-FILE!$H+H*").encode()
LIMIT = 100 * 1024 * 1024


@pytest.fixture(scope="module")
def browser(machine: Machine) -> Iterator[Browser]:
    """A browser in front of the host, with no one logged in."""
    browser = Browser(f"http://{machine.address}", machine.output / "screenshots")
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def inside(browser: Browser, machine: Machine) -> Iterator[Browser]:
    """A browser on the samples page, with somebody logged in. Afterwards its console has to be free of complaints."""
    browser.show()
    browser.open("/")
    if browser.all("#password"):
        log_in(browser, machine)
    browser.complaints()
    yield browser
    assert not browser.complaints()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files to hand in. What they hold is new each time, so that no earlier run is met."""
    folder = tmp_path_factory.mktemp("files")
    mark = secrets.token_hex(6)
    made = {
        "eicar": folder / f"eicar-{mark}.com",
        "notes": folder / f"notes-{mark}.txt",
        "markup": folder / f"<b onclick=alert(1)>bold & “quoted” {mark}.txt",
        "keyboard": folder / f"keyboard-{mark}.txt",
        "plain": folder / f"plain-{mark}.txt",
        "long": folder / f"long-{mark}.bin",
        "empty": folder / "empty.bin",
        "large": folder / "large.bin",
        "folder": folder / "folder",
    }
    for word, path in made.items():
        if word != "folder":
            path.write_text(f"This is {word}: {mark}\n")
    made["eicar"].write_bytes(EICAR)
    made["long"].write_bytes(secrets.token_bytes(2**22))
    made["empty"].write_bytes(b"")
    with made["large"].open("r+b") as large:
        large.truncate(LIMIT + 1)
    made["folder"].mkdir()
    return made


def log_in(browser: Browser, machine: Machine) -> None:
    """Log in as the admin."""
    browser.open("/login/")
    browser.find("#username").send_keys("admin")
    browser.find("#password").send_keys(machine.secrets["admin"] + Keys.ENTER)
    browser.wait(lambda: browser.all("#upload"), "the samples page is there")


def hand_in(browser: Browser, path: Path) -> None:
    """Drop a file and wait until it is scanned."""
    before = len(browser.all("#uploads .run"))
    browser.drop([path])
    browser.wait(
        lambda: len(browser.all("#uploads .run")) > before and not browser.all("#uploads .badge.live"),
        "the file is scanned",
    )


def picture(browser: Browser, name: str) -> None:
    """Take a page's picture in both schemes and both sizes; on the phone nothing sticks out."""
    for size, place in ((DESKTOP, "desktop"), (PHONE, "phone")):
        for scheme in ("light", "dark"):
            browser.show(size, scheme)
            browser.screenshot(f"{name}-{place}-{scheme}")
        wide = browser.run("return document.documentElement.scrollWidth")
        assert wide <= size[0], f"{name} is {wide} pixels wide on a {place}"
    browser.show()


def test_stranger_sees_the_login(browser: Browser) -> None:
    """Every page leads to the login, which refuses a wrong password in words."""
    for path in ("/", "/status/", f"/samples/{'0' * 64}/", f"/samples/{'0' * 64}/raw/", "/news/"):
        browser.open(path)
        assert browser.find("#password").is_displayed()
    picture(browser, "login")
    browser.find("#username").send_keys("admin")
    browser.find("#password").send_keys("wrong" + Keys.ENTER)
    browser.wait_for("[role=alert]", "do not match")


def test_drop(inside: Browser, files: dict[str, Path]) -> None:
    """Files dropped anywhere go up, and their verdicts appear while the page stays as it is."""
    inside.run("window.sameDocument = true")
    dropped = [files["eicar"], files["notes"]]
    inside.drag("dragEnter", dropped, (40, 700))
    inside.drag("dragOver", dropped, (42, 702))
    assert inside.find("#overlay").is_displayed()
    inside.screenshot("samples-dragging", whole=False)
    inside.drag("drop", dropped, (42, 702))
    assert not inside.find("#overlay").is_displayed()
    for path, verdict in zip(dropped, ("Infected", "Clean"), strict=True):
        row = f"#uploads .run:nth-child({dropped.index(path) + 1})"
        inside.wait_for(f"{row} .title", path.name)
        inside.wait_for(f"{row} .badge", verdict)
    inside.wait(lambda: not inside.all(".open"), "both are done")
    assert inside.run("return window.sameDocument")
    assert inside.text("#uploads .run:nth-child(1) .threat")
    picture(inside, "samples")


def test_names_are_text(inside: Browser, files: dict[str, Path]) -> None:
    """Markup in a name is shown, not obeyed."""
    path = files["markup"]
    hand_in(inside, path)
    assert inside.text("#uploads .title") == path.name
    inside.find("#uploads .title").click()
    inside.wait_for("h1", path.name)


def test_progress(inside: Browser, files: dict[str, Path]) -> None:
    """On a slow line the bar moves; on a broken one the file's own line says so, and the next file goes up."""

    def bar() -> float:
        return inside.run("return document.querySelector('progress')?.value ?? 0")

    inside.line(upload=500_000)
    try:
        inside.drop([files["long"]])
        begin = inside.wait(lambda: 0 < bar() < 0.9 and bar(), "the upload is on its way")
        inside.screenshot("samples-progress")
        inside.wait(lambda: bar() > begin, "the bar moves")
        inside.line()
        inside.wait(lambda: inside.all("#uploads a") and not inside.all(".badge.live"), "it is up and scanned")
        inside.line(offline=True)
        inside.drop([files["notes"]])
        inside.wait_for("#uploads .why", "connection")
    finally:
        inside.line()
    hand_in(inside, files["notes"])
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in inside.complaints())


def test_bad_files(inside: Browser, files: dict[str, Path]) -> None:
    """What cannot be taken says why at its own line, and the others are taken."""
    inside.drop([files["empty"], files["large"], files["folder"], files["notes"]])
    for number, word in enumerate(("empty", "too big", "folder"), 1):
        row = f"#uploads .run:nth-child({number})"
        inside.wait_for(f"{row} .badge", "Not taken")
        assert word in inside.text(f"{row} .why").lower()
    inside.wait_for("#uploads .run:nth-child(4) .badge", "Clean")
    inside.screenshot("samples-refused")
    # The console shows the server's refusal of the empty file, as browsers do.
    assert all("/upload/" in complaint for complaint in inside.complaints())


def test_search(inside: Browser, files: dict[str, Path], machine: Machine) -> None:
    """What is typed finds samples by name, hash, threat, key and value, and has an address of its own."""
    hand_in(inside, files["eicar"])
    inside.find("#uploads .title").click()
    inside.wait(lambda: inside.all(".threat"), "the sample's page is there")
    threat, sha256 = inside.text("td .threat"), inside.text(".copy")
    inside.open("/")
    inside.run("window.sameDocument = true")
    box = inside.find("#q")
    for query in (files["eicar"].name, sha256, sha256[:10], threat):
        inside.run("arguments[0].select()", box)
        box.send_keys(query)
        inside.wait(partial(lambda query: f"?q={query[:6]}" in inside.driver.current_url, query), "the address follows")
        inside.wait_for("#found .title", "eicar")
    box.clear()
    box.send_keys(secrets.token_hex(20))
    inside.wait_for("#found", "Nothing matches")
    assert inside.run("return window.sameDocument")
    assert inside.focused() == box
    inside.open(f"/?q={files['eicar'].name}")
    assert files["eicar"].name in inside.text("#found .title")
    assert inside.find("#q").get_attribute("value") == files["eicar"].name
    picture(inside, "search")


def test_sample(inside: Browser, files: dict[str, Path]) -> None:
    """A sample's page has hashes, verdicts and metadata; its metadata lead to the samples that share them."""
    hand_in(inside, files["eicar"])
    inside.find("#uploads .title").click()
    inside.wait_for(".verdicts", "yara")
    assert "Infected" in inside.text(".verdicts")
    assert "fileinfo" in inside.text(".verdicts")
    inside.find(".actions button").click()
    inside.wait(lambda: len(inside.all("#verdicts .runs .run")) > 1, "there is a second run")
    inside.wait(lambda: not inside.all(".badge.live"), "the second run is done without a reload")
    inside.wait_for(".summary", "Infected")
    picture(inside, "sample")
    inside.find(".metadata a").click()
    inside.wait(lambda: inside.all("#found"), "the search is there")
    assert "=" in str(inside.find("#q").get_attribute("value"))
    assert inside.all("#found .run")


def test_downloads(inside: Browser, files: dict[str, Path], machine: Machine) -> None:
    """A sample leaves as an attachment only, as it is or in a zip that needs its password."""
    hand_in(inside, files["eicar"])
    inside.find("#uploads .title").click()
    inside.wait(lambda: inside.all(".copy"), "the sample's page is there")
    sha256 = inside.text(".copy")
    cookies = {cookie["name"]: cookie["value"] for cookie in inside.driver.get_cookies()}
    for kind, name in (("raw", sha256), ("zip", f"{sha256}.zip")):
        answer = requests.get(f"http://{machine.address}/samples/{sha256}/{kind}/", cookies=cookies, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        assert (answer.content == EICAR) is (kind == "raw")
        assert (EICAR in answer.content) is (kind == "raw")
        stranger = requests.get(f"http://{machine.address}/samples/{sha256}/{kind}/", timeout=30)
        assert EICAR not in stranger.content
        assert "/login/" in stranger.url
    # Method 99 of a zip's entry is AES.
    assert answer.content[:4] == b"PK\3\4"
    assert int.from_bytes(answer.content[8:10], "little") == 99


def test_status(inside: Browser) -> None:
    """Server Status is alive, and leaves alone where its reader is."""
    inside.show((900, 400))
    inside.find("nav a[href='/status/']").click()
    inside.wait_for("#parts", "yara")
    for word in ("master.master", "master.results", "engine.yara", "fileinfo"):
        inside.wait_for("#parts", word)
    link = inside.find("nav [aria-current]")
    inside.run("arguments[0].focus(); scrollTo(0, 300)", link)
    inside.run(
        "document.body.addEventListener('htmx:afterSettle', () => { window.settled = (window.settled ?? 0) + 1 })"
    )
    inside.wait(lambda: (inside.run("return window.settled") or 0) >= 2, "it was renewed twice")
    assert inside.run("return scrollY") == 300
    assert inside.focused() == link
    picture(inside, "status")


def test_keyboard(inside: Browser, files: dict[str, Path]) -> None:
    """Without a mouse: to the file button, to the verdict, to the sample's page, to the search."""
    inside.press(Keys.TAB)
    assert inside.focused().get_attribute("class") == "skip"
    inside.press(Keys.ENTER)
    inside.wait(lambda: inside.focused() == inside.find("#main"), "the skip link leads to the content")
    button = inside.tab_to("#file", 2)
    outline = inside.run("return getComputedStyle(arguments[0]).outlineStyle", button)
    assert outline != "none"
    inside.screenshot("samples-focus")
    button.send_keys(str(files["keyboard"]))
    inside.wait_for("#uploads .badge", "Clean")
    inside.tab_to("#uploads .title", 3)
    inside.press(Keys.ENTER)
    inside.wait_for("h1", files["keyboard"].name)
    inside.open("/")
    inside.tab_to("#q")
    inside.press(files["keyboard"].name, Keys.ENTER)
    inside.wait(lambda: "?q=" in inside.driver.current_url, "Enter searches")
    inside.wait_for("#found .title", files["keyboard"].name)


def test_without_scripts(inside: Browser, files: dict[str, Path]) -> None:
    """With scripts off, upload and search are forms."""
    inside.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        inside.open("/")
        inside.find("#file").send_keys(str(files["plain"]))
        inside.find("#upload button").click()
        inside.wait(lambda: "/samples/" in inside.driver.current_url, "the sample's page is there")
        inside.open("/")
        inside.find("#q").send_keys(files["plain"].name + Keys.ENTER)
        inside.wait(lambda: "?q=" in inside.driver.current_url, "the search has an address")
        assert files["plain"].name in inside.find("#found").text
    finally:
        inside.command("Emulation.setScriptExecutionDisabled", value=False)


def test_missing_page(inside: Browser) -> None:
    """What is not there says so in the same design."""
    inside.open("/nothing/")
    assert "Not here" in inside.text("h1")
    picture(inside, "missing")
    assert all("404" in complaint for complaint in inside.complaints())


def test_too_large_without_scripts(inside: Browser, machine: Machine) -> None:
    """What the proxy turns away by itself is answered in the same design."""
    connection = http.client.HTTPConnection(machine.address, timeout=30)
    connection.putrequest("POST", "/upload/")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"style.css" in answer.read()
    inside.open("/static/scaggr/413.html")
    assert "Too large" in inside.text("h1")
    picture(inside, "too-large")


def test_lost_session(inside: Browser) -> None:
    """An open page whose session has ended goes to the login by itself."""
    inside.open("/status/")
    inside.driver.delete_all_cookies()
    inside.wait(lambda: inside.all("#password"), "the login is there")
    assert "next=/status/" in inside.driver.current_url


def test_log_out(inside: Browser) -> None:
    """Logging out ends at the login page, which says so."""
    inside.find("header form button").click()
    inside.wait_for("[role=status]", "logged out")
    picture(inside, "logged-out")
