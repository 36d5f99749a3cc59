"""What formulas take from Phagescan's pillar."""

from collections.abc import Callable
from typing import Any

import pytest

from doctors import getter, shipped
from pillars import REMOVED, look_up, put

FORMULAS = ("phagescan", "gunicorn", "celery", "supervisord", "nginx", "rabbitmq")


@pytest.fixture
def inherited(load: Callable[..., Any]) -> Callable[..., Any]:
    """A key as the formula gets it, where keys of the shipped pillar are set otherwise."""
    module = load("_utils/inherited")

    def make(key: str, changed: dict[str, Any] | None = None) -> Any:
        pillar = shipped()
        for name, value in (changed or {}).items():
            pillar = put(pillar, name, value)
        formula = key.partition(":")[0]
        return look_up({formula: module.of(formula, getter(pillar), {})}, key)

    return make


@pytest.mark.parametrize(
    ("key", "source", "value", "expected"),
    [
        *((f"{formula}:user", "phagescan:user", "x", "x") for formula in ("gunicorn", "celery")),
        *((f"{formula}:group", "phagescan:user", "x", "x") for formula in ("gunicorn", "celery")),
        *((f"{formula}:chdir", "phagescan:root", "/x", "/x") for formula in ("gunicorn", "celery")),
        *((f"{formula}:mode", "phagescan:mode", "x", "x") for formula in ("gunicorn", "celery", "supervisord")),
        ("gunicorn:virtualenv", "phagescan:virtualenv", "/x", "/x"),
        ("celery:log_dir", "phagescan:log_dir", "/x", "/x"),
        ("celery:roles", "phagescan:roles", "worker", ["worker"]),
        ("celery:workers:celeryd:group", "phagescan:worker:user", "x", "x"),
        ("celery:workers:celeryd:log_dir", "phagescan:worker:log_dir", "/x", "/x"),
        ("supervisord:programs:celerycam:directory", "phagescan:root", "/x", "/x"),
        ("supervisord:programs:celerycam:virtualenv", "phagescan:virtualenv", "/x", "/x"),
        ("nginx:sites:phagescan:proxy", "gunicorn:socket", "/run/gunicorn/a/b", "unix:/run/gunicorn/a/b"),
        ("nginx:sites:phagescan:static", "phagescan:static_root", "/x", {"/static/": "/x/"}),
        ("nginx:sites:phagescan:uploads:client_max_body_size", "phagescan:scan:max_size", 5, "6m"),
        ("nginx:sites:phagescan:public_url", "phagescan:public_url", "https://scan", "https://scan"),
        ("phagescan:worker:master_url", "nginx:sites:phagescan:listen", 8080, "http://127.0.0.1:8080"),
        ("postgresql:roles", "phagescan:user", "x", {"x": {"peer": True}}),
        ("postgresql:databases:phage:schema_owner", "phagescan:user", "x", "x"),
    ],
)
def test_one_value_once(inherited: Callable[..., Any], key: str, source: str, value: Any, expected: Any) -> None:
    """A value that is in pillar once reaches the formula; where it is missing there the formula gets none."""
    assert inherited(key, {source: value}) == expected
    if source not in ("phagescan:roles", "gunicorn:socket"):
        assert inherited(key, {source: REMOVED}) is None


def test_proxy(inherited: Callable[..., Any]) -> None:
    """nginx passes on to the socket, and to the port where there is none, or where one starts Django by hand."""
    key = "nginx:sites:phagescan:proxy"
    assert inherited(key, {"gunicorn:socket": REMOVED}) == "127.0.0.1:9000"
    assert inherited(key, {"phagescan:mode": "development"}) == "127.0.0.1:9000"


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (80, "http://127.0.0.1"),
        ("192.0.2.1:80", "http://192.0.2.1"),
        ("[::]:81 default_server", "http://[::1]:81"),
        ("*:80", "http://127.0.0.1"),
    ],
)
def test_where_samples_are_fetched(inherited: Callable[..., Any], listen: Any, url: str) -> None:
    """A worker on the master's host asks nginx, where that listens."""
    assert inherited("phagescan:worker:master_url", {"nginx:sites:phagescan:listen": listen}) == url


@pytest.mark.parametrize(
    ("changed", "apart"),
    [
        ({}, False),
        ({"rabbitmq:listen": "0.0.0.0"}, True),
        ({"rabbitmq:listen": "::1"}, False),
        ({"rabbitmq:listen": "0.0.0.0", "phagescan:broker:master": "phageworkeruser"}, False),
    ],
)
def test_least(inherited: Callable[..., Any], changed: dict[str, Any], apart: bool) -> None:
    """Where other hosts reach the broker, workers may do less, if they have a login of their own."""
    assert inherited("rabbitmq:least_privilege", changed) is apart


def test_supervisors_network(inherited: Callable[..., Any]) -> None:
    """It reaches the broker, where that is given by an address."""
    assert inherited("supervisord:unit") == {"IPAddressDeny": "any", "IPAddressAllow": "localhost 127.0.0.1"}
    assert inherited("supervisord:unit", {"phagescan:broker:host": "broker"}) == {}


def test_scan_workers_are_apart(inherited: Callable[..., Any]) -> None:
    """What Django needs is for the master's workers."""
    assert inherited("celery:environment") == {"DJANGO_SETTINGS_MODULE": "scaggr.settings"}
    assert inherited("celery:workers:celeryd:environment") == {}
    assert inherited("celery:workers:celeryd-master") == {}
    assert inherited("phagescan:worker:master_url", {"phagescan:roles": ["worker"]}) is None


@pytest.mark.parametrize("formula", ["nginx", "rabbitmq"])
def test_tls(inherited: Callable[..., Any], formula: str) -> None:
    """Both get the files of certificate and key, or that there are none."""
    assert inherited(f"{formula}:tls") == inherited(f"{formula}:tls", {"phagescan:tls": {"self_signed": False}}) == {}
    files = {"certificate": "/a", "key": "/b"}
    assert inherited(f"{formula}:tls", {"phagescan:tls": files}) == files
    own = {"certificate": "/etc/phagescan/tls/certificate.pem", "key": "/etc/phagescan/tls/key.pem"}
    assert inherited(f"{formula}:tls", {"phagescan:tls": {"self_signed": True}}) == own


@pytest.mark.parametrize("wrong", [None, [], "text", {"a": None}, {"a": []}])
@pytest.mark.parametrize("key", ["celery:workers", "nginx:sites", "supervisord:programs", "phagescan:scan:max_size"])
def test_wrong_pillar(inherited: Callable[..., Any], key: str, wrong: Any) -> None:
    """What was not checked yet may be anything."""
    for formula in FORMULAS:
        assert isinstance(inherited(formula, {key: wrong}), dict)
