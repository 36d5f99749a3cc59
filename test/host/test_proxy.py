"""A proxy in front at which TLS ends, and names of this host that are none."""

import re
from collections.abc import Iterator

import pytest
import requests

from support.logins import query
from support.machine import Machine
from support.status import status

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.once]

USER = "203.0.113.9"
SENT = {"Host": "scan.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": f"198.51.100.1, {USER}"}


def log_in(machine: Machine, password: str, **headers: str) -> requests.Response:
    """Log in by a proxy, which is this machine."""
    url, sent = f"http://{machine.address}/login/", SENT | headers
    form = requests.get(url, headers=sent, timeout=30, allow_redirects=False)
    token = re.search('csrfmiddlewaretoken" value="(.*?)"', form.text)
    assert token, form.text
    cookie = form.headers["Set-Cookie"].partition(";")[0]
    data = {"csrfmiddlewaretoken": token[1], "username": "admin", "password": password}
    more = {"Origin": "https://scan.example", "Cookie": cookie}
    return requests.post(url, data, headers=sent | more, timeout=30, allow_redirects=False)


def seen_as(machine: Machine) -> str:
    """The address by which the host sees this machine: what came last."""
    requests.get(f"http://{machine.address}/login/", timeout=30)
    return machine.run("tail -n 1 /var/log/nginx/access.log").ok().stdout.split()[0]


@pytest.fixture(scope="module")
def address(machine: Machine) -> str:
    """Where the proxy is."""
    return seen_as(machine)


@pytest.fixture(scope="module", params=["", "tls: {self_signed: true}, "], ids=["http", "https"])
def named(machine: Machine, address: str, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The host, whose pillar names the proxy; with TLS of its own as well."""
    try:
        machine.highstate(f"pillar='{{phagescan: {{{request.param}proxies: [{address}]}}}}'").ok()
        yield machine
    finally:
        machine.highstate().ok()
        machine.run("rm -rf /etc/phagescan/tls").ok()


def test_a_proxy_that_no_one_has_named(machine: Machine, address: str) -> None:
    """The page says which address to add to which key, and so does the doctor."""
    answer = log_in(machine, machine.secrets["admin"])
    assert answer.status_code == 403
    assert f"by a proxy at {address} that" in answer.text
    assert "phagescan:proxies" in answer.text
    doctor = machine.run("salt-call --local phagescan.doctor").ok().stdout
    assert f"logins by a proxy at {address} were refused" in doctor


def test_others_are_not_believed(machine: Machine, address: str) -> None:
    """What a client says of itself counts for nothing where it is no proxy of ours."""
    page = requests.get(f"http://{machine.address}/login/", headers=SENT, timeout=30)
    assert "Strict-Transport-Security" not in page.headers
    assert "Secure" not in page.headers["Set-Cookie"]
    line = machine.run("tail -n 1 /var/log/nginx/access.log").ok().stdout
    assert line.startswith(f"{address} ")


@pytest.mark.parametrize(("path", "kind"), [("/login/", "text/html"), ("/api/status", "application/json")])
def test_a_host_name_that_is_none(machine: Machine, path: str, kind: str) -> None:
    """The reason is on the page."""
    page = requests.get(f"http://{machine.address}{path}", headers={"Host": "phage_scan"}, timeout=30)
    assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (400, kind)
    assert "phage_scan is no valid name of a host, as it has an underscore" in page.text


def test_a_login_by_a_proxy(named: Machine) -> None:
    """It succeeds, and what the browser gets is for HTTPS alone."""
    answer = log_in(named, named.secrets["admin"])
    assert (answer.status_code, answer.headers["Location"]) == (302, "/"), answer.text
    assert "Strict-Transport-Security" in answer.headers
    assert answer.headers["Set-Cookie"].count("Secure") == 2
    assert status(named)[0] == 0


def test_the_address_of_a_user(named: Machine) -> None:
    """Wrong passwords are counted by the address that the proxy has seen."""
    try:
        assert log_in(named, "wrong").status_code == 200
        assert query(named, "select distinct host(ip_address) from axes_accessattempt") == USER
    finally:
        query(named, "delete from axes_accessattempt")
