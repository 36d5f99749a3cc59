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

from scaggr import requests, views
from scaggr.api import api
from scaggr.fetch import fetch

admin.site.site_header = admin.site.site_title = "Phagescan Master"
admin.site.index_title = "Admin"


class Sha256Converter(StringConverter):
    """A hash as it is in an address."""

    regex = "[0-9a-f]{64}"


register_converter(Sha256Converter, "sha256")

urlpatterns = [
    path("", views.home, name="home"),
    path("upload/", views.upload, name="upload"),
    path("upload/authorize/", views.authorize, name="authorize"),
    path("news/", views.news, name="news"),
    path("samples/<sha256:sha256>/", views.sample, name="sample"),
    path("samples/<sha256:sha256>/rows/", views.sample_rows, name="sample-rows"),
    path("samples/<sha256:sha256>/rescan/", views.sample_rescan, name="rescan"),
    path("samples/<sha256:sha256>/raw/", views.sample_raw, name="sample-raw"),
    path("samples/<sha256:sha256>/zip/", views.sample_zip, name="sample-zip"),
    path("status/", views.status, name="status"),
    path("status/parts/", views.status_parts, name="status-parts"),
    path("fetch/", fetch, name="fetch"),
    path("api/", api.urls),
    path("login/", views.page(views.Login.as_view()), name="login"),
    path("logout/", LogoutView.as_view(next_page=format_lazy("{}?out", reverse_lazy("login"))), name="logout"),
    path("admin/", admin.site.urls),
]

# Django's own but for the first, which show our templates.
handler400 = views.page(requests.bad_request)
handler403 = views.page(defaults.permission_denied)
handler404 = views.page(defaults.page_not_found)
handler500 = views.page(defaults.server_error)

# In development the static files come from the source, whichever server runs; in production nginx has them.
if settings.DEBUG:
    urlpatterns.append(path("static/<path:path>", login_not_required(serve)))
