"""What a person with a browser sees."""

import requests

from support.logins import sign_in
from support.machine import Machine


def test_front_page_asks_for_login(machine: Machine) -> None:
    """Nothing is shown to strangers."""
    page = requests.get(f"http://{machine.address}/", allow_redirects=False, timeout=30)
    assert page.status_code == 302
    assert "login" in page.headers["Location"]


def test_admin_signs_in(machine: Machine) -> None:
    """With the password that bootstrap made, the front page and the Admin UI open."""
    session, page = sign_in(machine, machine.secrets["admin"])
    assert page.status_code == 200
    assert 'type="password"' not in page.text
    admin = session.get(f"http://{machine.address}/admin/", timeout=30)
    assert admin.status_code == 200
    assert 'type="password"' not in admin.text
    assert "logout" in admin.text


def test_admin_page_signs_in(machine: Machine) -> None:
    """The Admin UI has a login of its own."""
    _, page = sign_in(machine, machine.secrets["admin"], "/admin/")
    assert page.status_code == 200
    assert page.url.endswith("/admin/")


def test_wrong_password_is_refused(machine: Machine) -> None:
    """Another password leads back to the form."""
    session, page = sign_in(machine, "not-the-password")
    assert 'type="password"' in page.text
    assert "sessionid" not in session.cookies


def test_forgery_is_refused(machine: Machine) -> None:
    """A form that is not ours is refused."""
    page = requests.get(f"http://{machine.address}/", timeout=30)
    answer = requests.post(page.url, {"username": "admin", "password": machine.secrets["admin"]}, timeout=30)
    assert answer.status_code == 403


def test_no_debug_page(machine: Machine) -> None:
    """A page that does not exist says so and no more."""
    page = requests.get(f"http://{machine.address}/no-such-page", timeout=30)
    assert "DEBUG" not in page.text
    assert "urlpatterns" not in page.text
