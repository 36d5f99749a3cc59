"""Where the scan workers fetch the samples. The signature in the path stands for a login."""

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from scaggr.scans import claim


@login_not_required
@never_cache
@require_GET
def fetch(request: HttpRequest, signed: str) -> HttpResponseBase:
    """Answer with a sample's bytes, or with the status that ends the task; scaggr.scans.claim says which."""
    status, path = claim(signed)
    if path is None:
        return HttpResponse(status=status, content_type="text/plain")
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="application/octet-stream")
