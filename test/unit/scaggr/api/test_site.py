"""What the API answers whatever it is asked, before it looks at anything."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def api(scaggr_module: Callable[[str], Any]) -> Any:
    """The API."""
    return scaggr_module("api.site").api


@pytest.fixture
def client(api: Any) -> Any:
    """A client without a token; there is no database."""
    return importlib.import_module("django.test").Client()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/samples", 401),
        ("post", "/api/samples", 401),
        ("get", f"/api/samples/{'a' * 64}", 401),
        ("get", "/api/status", 401),
        ("delete", "/api/samples", 405),
        ("get", "/api/nothing/at/all", 404),
        ("put", "/api/nothing", 404),
    ],
)
def test_without_a_token(client: Any, method: str, path: str, status: int) -> None:
    """Nothing but the reason is said, in JSON; an address that is there comes before the one for all others."""
    answer = getattr(client, method)(path)
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert bool(answer.headers.get("Allow")) is (status == 405)


def test_the_document(client: Any) -> None:
    """It is for everyone, the way to it as well; names that clients are made of are not those of our modules."""
    assert client.get("/api/").headers["Location"] == "/api/docs"
    paths = client.get("/api/openapi.json").json()["paths"]
    operations = {(path, method): told["operationId"] for path in paths for method, told in paths[path].items()}
    assert operations == {
        ("/api/samples", "post"): "scaggr_api_post_sample",
        ("/api/samples", "get"): "scaggr_api_list_samples",
        ("/api/samples/{sha256}", "get"): "scaggr_api_get_sample",
        ("/api/status", "get"): "scaggr_api_get_status",
    }
