"""The proxy, from outside."""

import http.client

import requests
from testinfra.host import Host

from support.machine import Machine


def test_package(host: Host) -> None:
    """The proxy is Debian's."""
    assert host.package("nginx").is_installed


def test_config(machine: Machine, host: Host) -> None:
    """Its sites are ours alone, written by root, and nginx finds them good."""
    sites = host.file("/etc/nginx/sites-enabled").listdir()
    assert sites
    assert "default" not in sites
    for site in sites:
        path = machine.run(f"readlink -f /etc/nginx/sites-enabled/{site}").stdout.strip()
        assert (host.file(path).user, host.file(path).mode) == ("root", 0o644)
    machine.run("nginx -t").ok()


def test_service(machine: Machine) -> None:
    """It runs, and starts on boot."""
    assert machine.is_running("nginx")
    assert machine.is_enabled("nginx")


def test_socket(host: Host) -> None:
    """It is what the outside sees."""
    assert host.socket("tcp://0.0.0.0:80").is_listening
    # A test host has a kernel with IPv6, or one that makes no socket of it.
    known = host.run("python3 -c 'import socket; socket.socket(socket.AF_INET6)'").rc == 0
    assert host.socket("tcp://:::80").is_listening is known


def test_page_works(machine: Machine) -> None:
    """A browser gets the application's login page."""
    page = requests.get(f"http://{machine.address}/", timeout=30)
    assert page.status_code == 200
    assert "csrfmiddlewaretoken" in page.text
    assert "login" in page.url


def test_static_files_work(machine: Machine) -> None:
    """Static files come from nginx: also while Django is down."""
    address = f"http://{machine.address}/static/admin/css/base.css"
    machine.service("gunicorn", "stop").ok()
    try:
        page = requests.get(address, timeout=30)
        assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (200, "text/css")
        assert requests.get(f"http://{machine.address}/", timeout=30).status_code in (502, 503)
    finally:
        machine.service("gunicorn", "start").ok()


def test_headers(machine: Machine) -> None:
    """Pages carry what browsers need to be careful, and no version."""
    page = requests.get(f"http://{machine.address}/", timeout=30)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] in ("DENY", "SAMEORIGIN")
    assert page.headers["Server"] == "nginx"


def test_large_upload_is_refused(machine: Machine) -> None:
    """An upload above the limit is turned away before it is sent."""
    connection = http.client.HTTPConnection(machine.address, timeout=30)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(101 * 1024 * 1024 + 1024 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_listing_is_refused(machine: Machine) -> None:
    """Folders are not listed, and nothing outside them is served."""
    for path in ("/static/", "/static../", "/static/..%2f..%2f..%2fetc/phagescan/master.toml"):
        page = requests.get(f"http://{machine.address}{path}", timeout=30)
        assert page.status_code in (400, 403, 404) or "csrfmiddlewaretoken" in page.text
        assert "secret_key" not in page.text
