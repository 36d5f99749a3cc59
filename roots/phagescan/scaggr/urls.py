"""The pages, what workers fetch, the API, login and logout, the Admin UI."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.contrib.staticfiles.views import serve
from django.urls import path, register_converter, reverse_lazy
from django.urls.converters import StringConverter
from django.utils.text import format_lazy
from django.views import defaults

from scaggr.api.site import api
from scaggr.web import downloads, listing, login, requests, samples, status
from scaggr.web.fetch import fetch
from scaggr.web.pages import page

admin.site.site_header = admin.site.site_title = "Phagescan Master"
admin.site.index_title = "Admin"


class Sha256Converter(StringConverter):
    """A hash as it is in an address."""

    regex = "[0-9a-f]{64}"


register_converter(Sha256Converter, "sha256")

urlpatterns = [
    path("", listing.home, name="home"),
    path("upload/", listing.upload, name="upload"),
    path("upload/authorize/", login.authorize, name="authorize"),
    path("news/", listing.news, name="news"),
    path("samples/<sha256:sha256>/", samples.sample, name="sample"),
    path("samples/<sha256:sha256>/rows/", samples.sample_rows, name="sample-rows"),
    path("samples/<sha256:sha256>/rescan/", samples.sample_rescan, name="rescan"),
    path("samples/<sha256:sha256>/raw/", downloads.sample_raw, name="sample-raw"),
    path("samples/<sha256:sha256>/zip/", downloads.sample_zip, name="sample-zip"),
    path("status/", status.status, name="status"),
    path("status/parts/", status.status_parts, name="status-parts"),
    path("fetch/", fetch, name="fetch"),
    path("api/", api.urls),
    path("login/", page(login.Login.as_view()), name="login"),
    path("logout/", LogoutView.as_view(next_page=format_lazy("{}?out", reverse_lazy("login"))), name="logout"),
    path("admin/", admin.site.urls),
]

# Django's own but for the first, which show our templates.
handler400 = page(requests.bad_request)
handler403 = page(defaults.permission_denied)
handler404 = page(defaults.page_not_found)
handler500 = page(defaults.server_error)

# In development the static files come from the source, whichever server runs; in production nginx has them.
if settings.DEBUG:
    urlpatterns.append(path("static/<path:path>", login_not_required(serve)))
