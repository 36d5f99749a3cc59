"""What is done to every answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from scaggr.web.uploads import clean_up


def secure_cookies(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark the cookies of an answer that goes by HTTPS: browsers then never send them unencrypted.

    In place of SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE, with which no one could log in at 127.0.0.1 by HTTP.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return answer


def uploads_end(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Leave nothing of an upload that was not taken."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        try:
            return get_response(request)
        finally:
            clean_up(request)

    return answer
