"""The broker's URL that is made of the configuration."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest


@pytest.mark.parametrize("password", ["plain", "a/b@c:d%e f?g#h", "\u00e4\u20ac"])
@pytest.mark.parametrize("vhost", ["phage", "/"])
def test_the_url_carries_every_password_and_vhost(conf: Any, password: str, vhost: str) -> None:
    celeryconf = importlib.import_module("shared.celeryconf")
    url = celeryconf.broker_url_of({"host": "::1", "port": 5673, "vhost": vhost, "user": "u@x", "password": password})
    parts = urlsplit(url)
    assert (parts.hostname, parts.port) == ("::1", 5673)
    assert unquote(parts.username or "") == "u@x"
    assert unquote(parts.password or "") == password
    assert unquote(parts.path.removeprefix("/")) == vhost
