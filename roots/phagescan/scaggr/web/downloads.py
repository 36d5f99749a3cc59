"""Downloads: a sample never opens in the browser."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET
from stream_zip import ZIP_AUTO, stream_zip

from scaggr.models import Sample
from scaggr.web.pages import page

ZIP_PASSWORD = "infected"  # noqa: S105 - it keeps a sample from being opened by mistake, and is shown to everyone
CHUNK = 1 << 16


def download(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let who is permitted have a sample; mark what a view answers as bytes to be kept, never to be shown or run."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, sha256: str) -> HttpResponseBase:
        if not request.user.has_perm("scaggr.download_sample"):
            raise PermissionDenied
        try:
            response = view(request, get_object_or_404(Sample, sha256=sha256))
        except OSError as error:
            raise Http404("The sample's bytes are gone.") from error
        response.headers["Content-Type"] = "application/octet-stream"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return response

    return page(wrapped)


@download
@require_GET
def sample_raw(request: HttpRequest, found: Sample) -> HttpResponseBase:
    """Send the bytes as they are."""
    return FileResponse(found.path.open("rb"), as_attachment=True, filename=found.sha256)


@download
@require_GET
def sample_zip(request: HttpRequest, found: Sample) -> HttpResponseBase:
    """Send the bytes in a zip that does not open by mistake."""
    chunks = read(found.path)
    member = (found.sha256, found.first_seen, 0o100600, ZIP_AUTO(found.size, level=1), chunks)
    response = StreamingHttpResponse(stream_zip([member], password=ZIP_PASSWORD))
    response.headers["Content-Disposition"] = f'attachment; filename="{found.sha256}.zip"'
    return response


def read(path: Path) -> Iterator[bytes]:
    """Return the chunks of a file that is opened at once, so that a missing one is known before anything is sent."""
    file = path.open("rb")

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    return chunks()
