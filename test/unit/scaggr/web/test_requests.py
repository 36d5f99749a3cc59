"""What is said of a request that is refused."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost, SuspiciousOperation, TooManyFilesSent


@pytest.fixture
def requests(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module; a template is what it is given."""
    module = importlib.import_module("scaggr.web.requests")

    def render(_: Any, template: str, context: dict[str, Any], status: int) -> Any:
        return SimpleNamespace(template=template, status_code=status, **context)

    monkeypatch.setattr(module, "render", render)
    return module


def asked(path: str = "/", **meta: str) -> Any:
    """A request."""
    wsgi = importlib.import_module("django.core.handlers.wsgi")
    given = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "REMOTE_ADDR": "", "wsgi.input": io.BytesIO()}
    return wsgi.WSGIRequest({**given, "wsgi.url_scheme": "http", **meta})


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("phage_scan", "phage_scan is no valid name of a host, as it has an underscore. Ask"),
        ("phage_scan:8080", "phage_scan:8080 is no valid name of a host, as it has an underscore. Ask"),
        ("a b", "a b is no valid name of a host. Ask"),
        ("", "An empty name is no valid name"),
        ("other.example:8080", "This server does not answer to the name other.example: its operator has to add it"),
        ("[::1]:8080", "This server does not answer to the name [::1]: its operator"),
    ],
)
def test_a_host_that_is_not_ours_is_named(requests: Any, host: str, said: str) -> None:
    page = requests.bad_request(asked(HTTP_HOST=host), DisallowedHost())
    assert (page.template, page.status_code) == ("400.html", 400)
    assert page.why.startswith(said)


def test_too_many_files_are_counted(requests: Any) -> None:
    assert "may have 100 files" in requests.bad_request(asked(), TooManyFilesSent()).why
    answer = requests.bad_request(asked("/api/samples"), TooManyFilesSent())
    assert (answer.status_code, "may have 100 files" in json.loads(answer.content)["detail"]) == (400, True)


def test_of_all_else_nothing_is_said(requests: Any) -> None:
    assert requests.bad_request(asked(), SuspiciousOperation("secret")).why == ""
    assert b"secret" not in requests.bad_request(asked("/api/x"), SuspiciousOperation("secret")).content


@pytest.mark.parametrize(
    ("meta", "proxy", "hidden"),
    [
        ({}, "", False),
        ({"HTTP_X_UNKNOWN_PROXY": "10.0.0.5"}, "10.0.0.5", False),
        ({"HTTP_X_UNKNOWN_PROXY": "10.0.0.5", "REMOTE_ADDR": "127.0.0.1"}, "", False),
        ({"HTTP_ORIGIN": "https://scan.example"}, "", True),
        ({"HTTP_ORIGIN": "https://scan.example", "wsgi.url_scheme": "https"}, "", False),
    ],
)
def test_a_proxy_that_no_one_has_named_is(
    requests: Any, caplog: pytest.LogCaptureFixture, meta: dict[str, str], proxy: str, hidden: bool
) -> None:
    page = requests.csrf_failure(asked(**meta), "Origin checking failed")
    assert (page.template, page.status_code, page.proxy, page.hidden) == ("403_csrf.html", 403, proxy, hidden)
    assert (f"at {proxy}: Origin" in caplog.text) is bool(proxy)
