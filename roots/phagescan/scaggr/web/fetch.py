"""Where the scan workers fetch the samples. A signature takes the place of a login: in a header, as addresses end up in
logs.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from scaggr.scanning.claim import claim


@login_not_required
@never_cache
@require_GET
def fetch(request: HttpRequest) -> HttpResponseBase:
    """Answer with a sample's bytes, or with the status that ends the task; scaggr.scanning.claim.claim says which."""
    scheme, _, signed = request.headers.get("Authorization", "").partition(" ")
    status, file = claim(signed if scheme == "Signature" else "", request.headers.get("X-Delivery", ""))
    if file is None:
        return HttpResponse(status=status, content_type="text/plain")
    return FileResponse(file, as_attachment=True, content_type="application/octet-stream")
