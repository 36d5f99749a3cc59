"""The API, `path("api/", api.urls)`: hand in samples and read their verdicts. Each request bears a token."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI
from ninja.operation import Operation

from scaggr.api import errors, samples, server
from scaggr.api.auth import BearerToken


class Api(NinjaAPI):
    """An API that tokens guard and not the login, and that says what is wrong in JSON, whatever it is."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Name an operation by its function, wherever that is: clients are made from the document."""
        return f"scaggr_api_{operation.view_func.__name__}"

    def _get_urls(self) -> list[URLPattern | URLResolver]:
        """Wrap each view. The document and its page need no token: they say nothing about what was handed in."""
        patterns = super()._get_urls()
        for pattern in patterns:
            pattern.callback = self._open(pattern.callback)
        return patterns

    def _open(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view, assigned=())
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(request, *args, **kwargs)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                allow = response.headers["Allow"]
                response = self.create_response(request, {"detail": f"Method not allowed: use {allow}."}, status=405)
                response.headers["Allow"] = allow
            return response

        return login_not_required(opened)


api = Api(
    title="Phagescan",
    description="Hand in a file, read its verdicts. `manage.py token <user>` makes the token.",
    urls_namespace="api",
    auth=BearerToken(),
)
for router in (samples.router, server.router):  # the last one answers for every other address
    api.add_router("", router)
for kind, handler in errors.HANDLERS.items():
    api.add_exception_handler(kind, handler)
